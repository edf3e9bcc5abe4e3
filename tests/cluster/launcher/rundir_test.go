package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestAForeignDirectoryIsNeitherClaimedNorCleared(t *testing.T) {
	dir := runDir(t.TempDir())
	precious := dir.path("etcd")
	if err := os.WriteFile(precious, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if lock, err := dir.claim(); err == nil {
		lock.Close()
		t.Error("claimed")
	}
	if err := dir.clear(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(precious); err != nil {
		t.Error(err)
	}
}

func TestClearingKeepsTheLogs(t *testing.T) {
	dir := runDir(filepath.Join(t.TempDir(), "new"))
	lock, err := dir.claim()
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	for _, name := range []string{"logs", "etcd", "pki"} {
		if err := os.MkdirAll(dir.path(name, "below"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := dir.clear(); err != nil {
		t.Fatal(err)
	}
	for name, kept := range map[string]bool{"logs": true, "etcd": false, "pki": false} {
		if _, err := os.Stat(dir.path(name)); (err == nil) != kept {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestARunDirectoryHasOneLauncherAtATime(t *testing.T) {
	dir := runDir(t.TempDir())
	lock, err := dir.claim()
	if err != nil {
		t.Fatal(err)
	}
	if second, err := dir.claim(); err == nil {
		second.Close()
		t.Error("claimed twice")
	}
	lock.Close()
	again, err := dir.claim()
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
}
