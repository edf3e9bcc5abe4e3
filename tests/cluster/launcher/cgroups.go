package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// podCgroups lists the directories under which kubelet keeps the cgroups of pods: one, or one for each controller of the
// first version of cgroups.
func podCgroups() []string {
	var found []string
	for _, pattern := range []string{"/sys/fs/cgroup/kubepods", "/sys/fs/cgroup/*/kubepods"} {
		directories, _ := filepath.Glob(pattern)
		found = append(found, directories...)
	}
	return found
}

// podPids lists the processes in containers of pods.
func podPids() ([]int, error) {
	unique := map[int]bool{}
	for _, root := range podCgroups() {
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.Name() != "cgroup.procs" {
				return ignoreGone(err)
			}
			text, err := os.ReadFile(path)
			for _, field := range strings.Fields(string(text)) {
				if pid, err := strconv.Atoi(field); err == nil && !gone(pid) {
					unique[pid] = true
				}
			}
			return ignoreGone(err)
		})
		if err != nil {
			return nil, fmt.Errorf("list processes of pods: %w", err)
		}
	}
	var pids []int
	for pid := range unique {
		pids = append(pids, pid)
	}
	return pids, nil
}

// removePodCgroups removes the cgroups once their processes are dead; the kernel takes a moment to let go of them.
func removePodCgroups() error {
	deadline := time.Now().Add(10 * time.Second)
	for {
		var failure error
		for _, root := range podCgroups() {
			failure = errors.Join(failure, removeCgroup(root))
		}
		if failure == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("remove cgroups of pods: %w", failure)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// removeCgroup removes a cgroup after those below it; the files in it go with it.
func removeCgroup(path string) error {
	entries, err := os.ReadDir(path)
	if err != nil {
		return ignoreGone(err)
	}
	for _, entry := range entries {
		if entry.IsDir() {
			if err := removeCgroup(filepath.Join(path, entry.Name())); err != nil {
				return err
			}
		}
	}
	return ignoreGone(os.Remove(path))
}

func ignoreGone(err error) error {
	// ENODEV means that the cgroup is gone.
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENODEV) {
		return nil
	}
	return err
}
