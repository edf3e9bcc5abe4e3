package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// runDir is the absolute path of the directory that holds everything of one service: state, keys, pid files, logs.
type runDir string

// marker distinguishes a run directory from a foreign directory, which is never touched.
const marker = "launcher.json"

// stateEntries is all a service ever writes into its run directory, save the logs, which outlive it.
var stateEntries = []string{
	"info.json", "kubeconfig", "kubectl", "kubectl-cache", "sysctls.json",
	"pki", "pids", "etcd", "kubelet", "pod-logs", "containerd", "runc", "cni", "images", "s3",
}

func resolveRunDir(path string) (runDir, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("resolve run directory %q: %w", path, err)
	}
	// Resolved, because mounts are listed by their resolved path. A directory not made yet has nothing to resolve.
	if resolved, err := filepath.EvalSymlinks(absolute); err == nil {
		absolute = resolved
	}
	return runDir(absolute), nil
}

func (d runDir) path(parts ...string) string {
	return filepath.Join(append([]string{string(d)}, parts...)...)
}

func (d runDir) logFile(component string) string { return d.path("logs", component+".log") }
func (d runDir) pidFile(component string) string { return d.path("pids", component) }

// claim makes the directory if need be, marks it as the launcher's and locks it against other launchers. The lock is
// released with the returned file, at the latest with the process.
func (d runDir) claim() (*os.File, error) {
	if err := os.MkdirAll(string(d), 0o755); err != nil {
		return nil, fmt.Errorf("make run directory: %w", err)
	}
	entries, err := os.ReadDir(string(d))
	if err != nil {
		return nil, fmt.Errorf("read run directory: %w", err)
	}
	if len(entries) > 0 && !d.claimed() {
		return nil, fmt.Errorf("%q is neither empty nor a run directory of this launcher: choose another --dir", d)
	}
	return d.lock()
}

func (d runDir) claimed() bool {
	_, err := os.Stat(d.path(marker))
	return err == nil
}

// heldNode marks a run directory in which a node was begun: the kernel's settings are kept before anything is changed.
func (d runDir) heldNode() bool {
	_, err := os.Stat(d.path("sysctls.json"))
	return err == nil
}

func (d runDir) lock() (*os.File, error) {
	file, err := os.OpenFile(d.path(marker), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open lock of run directory: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		file.Close()
		return nil, fmt.Errorf("%q is in use by another launcher: wait for it or choose another --dir", d)
	}
	return file, nil
}

// clear removes the state of a stopped service and keeps its logs.
func (d runDir) clear() error {
	if !d.claimed() {
		return nil
	}
	// A volume of a pod may be a bind mount of any directory of this machine; removing through it would remove that.
	mounts, err := mountsUnder(string(d))
	if err != nil {
		return err
	}
	if len(mounts) > 0 {
		return fmt.Errorf("%d mounts remain under %q: not removing its contents; see /proc/mounts", len(mounts), d)
	}
	for _, entry := range stateEntries {
		if err := os.RemoveAll(d.path(entry)); err != nil {
			return fmt.Errorf("remove old state: %w", err)
		}
	}
	return nil
}

func (d runDir) writeJSON(name string, value any) error {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return fmt.Errorf("encode %q: %w", name, err)
	}
	return os.WriteFile(d.path(name), append(text, '\n'), 0o644)
}

func (d runDir) readJSON(name string, into any) error {
	text, err := os.ReadFile(d.path(name))
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}
