package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ownerVariable is in the environment of every process the launcher starts (and of containerd's shims, which inherit it)
// and names the run directory. A pid is only ever killed when its process carries it, so that a pid file left by a crash
// never hits another process, and finds a process even if its pid file was never written.
const ownerVariable = "VELERO_TEST_CLUSTER_DIR"

// recordedPids reads the pid files: component name to pid, for those that still run.
func recordedPids(dir runDir) (running map[string]int, stopped []string) {
	running = map[string]int{}
	files, _ := filepath.Glob(dir.path("pids", "*"))
	for _, file := range files {
		text, _ := os.ReadFile(file)
		pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err == nil && owned(pid, dir) {
			running[filepath.Base(file)] = pid
		} else {
			stopped = append(stopped, filepath.Base(file))
		}
	}
	return running, stopped
}

// ownedPids lists every process of the run directory.
func ownedPids(dir runDir) ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var pids []int
	for _, entry := range entries {
		if pid, err := strconv.Atoi(entry.Name()); err == nil && pid != os.Getpid() && owned(pid, dir) {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// owned is false for a zombie too: its environment reads as empty.
func owned(pid int, dir runDir) bool {
	environment, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	return err == nil && slices.ContainsFunc(bytes.Split(environment, []byte{0}), func(variable []byte) bool {
		return string(variable) == ownerVariable+"="+string(dir)
	})
}

// killOwned kills the processes of a run directory until none is left; those named first go first.
func killOwned(dir runDir, first ...string) error {
	running, _ := recordedPids(dir)
	for _, name := range first {
		if pid, found := running[name]; found {
			if err := killAndWait([]int{pid}); err != nil {
				return fmt.Errorf("stop %s: %w", name, err)
			}
		}
	}
	return killUntilNone(func() ([]int, error) { return ownedPids(dir) })
}

// killUntilNone repeats, because a process may start another one while it is being killed.
func killUntilNone(find func() ([]int, error)) error {
	for range 20 {
		pids, err := find()
		if err != nil || len(pids) == 0 {
			return err
		}
		if err := killAndWait(pids); err != nil {
			return err
		}
	}
	return fmt.Errorf("kill all processes: new ones keep appearing; what starts them?")
}

func killAndWait(pids []int) error {
	for _, pid := range pids {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && err != syscall.ESRCH {
			return fmt.Errorf("kill process %d: %w", pid, err)
		}
	}
	deadline := time.Now().Add(20 * time.Second)
	for _, pid := range pids {
		for !gone(pid) {
			if time.Now().After(deadline) {
				return fmt.Errorf("process %d does not end after SIGKILL: is it stuck in the kernel? see /proc/%d/stack", pid, pid)
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	return nil
}

// gone is true of a zombie as well: its parent may be slow to collect it.
func gone(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	// The state follows the name in parentheses, which may itself hold any character.
	_, rest, found := strings.Cut(string(stat[bytes.LastIndexByte(stat, ')')+1:]), " ")
	return !found || strings.HasPrefix(rest, "Z") || strings.HasPrefix(rest, "X")
}

// lastLines is the end of a log, for an error message.
func lastLines(file string, n int) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

func portWasTaken(log string) bool { return strings.Contains(log, "address already in use") }
