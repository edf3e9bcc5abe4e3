package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

func sleeper(t *testing.T, environment ...string) *exec.Cmd {
	t.Helper()
	command := exec.Command("sleep", "1000")
	command.Env = append(os.Environ(), environment...)
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	return command
}

func TestOnlyProcessesOfTheRunDirectoryAreItsOwn(t *testing.T) {
	dir := runDir(t.TempDir())
	mine := sleeper(t, ownerVariable+"="+string(dir))
	other := sleeper(t, ownerVariable+"="+string(dir)+"-other")
	pids, err := ownedPids(dir)
	if err != nil || !slices.Equal(pids, []int{mine.Process.Pid}) {
		t.Fatalf("got %v and error %v, want %d", pids, err, mine.Process.Pid)
	}
	if err := killOwned(dir); err != nil {
		t.Fatal(err)
	}
	if !gone(mine.Process.Pid) || gone(other.Process.Pid) {
		t.Errorf("mine gone: %v, other gone: %v", gone(mine.Process.Pid), gone(other.Process.Pid))
	}
}

func TestAPidFileThatNamesAStrangerIsNotBelieved(t *testing.T) {
	dir := runDir(t.TempDir())
	if err := os.Mkdir(dir.path("pids"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir.pidFile("etcd"), []byte("1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if running, stopped := recordedPids(dir); len(running) > 0 || !slices.Equal(stopped, []string{"etcd"}) {
		t.Errorf("running %v, stopped %v", running, stopped)
	}
}

func TestLastLinesOfALog(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	for text, want := range map[string]string{"": "", "a\n": "a", "a\nb\nc\n": "b\nc", "a\nb\nc": "b\nc"} {
		if err := os.WriteFile(log, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := lastLines(log, 2); got != want {
			t.Errorf("of %q got %q, want %q", text, got, want)
		}
	}
}
