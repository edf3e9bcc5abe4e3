package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"testing"
)

func entries(t *testing.T, archive []byte) map[string][]byte {
	t.Helper()
	found := map[string][]byte{}
	reader := tar.NewReader(bytes.NewReader(archive))
	for {
		header, err := reader.Next()
		if err == io.EOF {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		if found[header.Name], err = io.ReadAll(reader); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAnImageNamesItsLayerByDigest(t *testing.T) {
	var archive bytes.Buffer
	files := []imageFile{{path: "bin/a", mode: 0o755, data: []byte("program")}, {path: "bin/b", link: "/bin/a"}, {path: "tmp/", mode: 0o1777}}
	if err := writeImage(&archive, "thing:test", imageConfig{Cmd: []string{"a"}}, files); err != nil {
		t.Fatal(err)
	}
	outer := entries(t, archive.Bytes())
	var config struct {
		RootFS struct {
			DiffIDs []string `json:"diff_ids"`
		} `json:"rootfs"`
	}
	if err := json.Unmarshal(outer["config.json"], &config); err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("sha256:%x", sha256.Sum256(outer["layer.tar"])); config.RootFS.DiffIDs[0] != want {
		t.Errorf("got %v, want %s", config.RootFS.DiffIDs, want)
	}
	layer := entries(t, outer["layer.tar"])
	if len(layer) != 3 || string(layer["bin/a"]) != "program" {
		t.Errorf("layer holds %q", layer)
	}
}

func TestMissingPackagesAreToldByTheirFiles(t *testing.T) {
	packages := []debianPackage{{"merged", "/usr/bin/merged"}, {"unmerged", "/usr/sbin/unmerged"}, {"absent", "/usr/bin/absent"}}
	installed := map[string]bool{"/usr/bin/merged": true, "/sbin/unmerged": true}
	missing := missingPackages(packages, func(path string) bool { return installed[path] })
	if len(missing) != 1 || missing[0] != "absent" {
		t.Errorf("got %v", missing)
	}
}
