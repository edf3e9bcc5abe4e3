package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
)

// imageFile is one entry of an image's only layer.
type imageFile struct {
	path string // without a leading slash; a directory ends in one
	mode int64
	data []byte
	link string // target, when it is a symbolic link
}

// imageConfig is the part of an image's configuration that the test images use.
type imageConfig struct {
	Entrypoint []string `json:",omitempty"`
	Cmd        []string `json:",omitempty"`
	Env        []string `json:",omitempty"`
}

// writeImage writes an image of one layer as a docker-archive.
func writeImage(out io.Writer, tag string, config imageConfig, files []imageFile) error {
	layer, err := tarOf(files)
	if err != nil {
		return fmt.Errorf("write layer of image %q: %w", tag, err)
	}
	description, err := json.Marshal(map[string]any{
		"architecture": runtime.GOARCH,
		"os":           "linux",
		"config":       config,
		"rootfs":       map[string]any{"type": "layers", "diff_ids": []string{fmt.Sprintf("sha256:%x", sha256.Sum256(layer))}},
	})
	if err != nil {
		return fmt.Errorf("write configuration of image %q: %w", tag, err)
	}
	manifest, err := json.Marshal([]map[string]any{{"Config": "config.json", "RepoTags": []string{tag}, "Layers": []string{"layer.tar"}}})
	if err != nil {
		return fmt.Errorf("write manifest of image %q: %w", tag, err)
	}
	archive, err := tarOf([]imageFile{
		{path: "layer.tar", mode: 0o644, data: layer},
		{path: "config.json", mode: 0o644, data: description},
		{path: "manifest.json", mode: 0o644, data: manifest},
	})
	if err != nil {
		return fmt.Errorf("write image %q: %w", tag, err)
	}
	_, err = out.Write(archive)
	return err
}

func tarOf(files []imageFile) ([]byte, error) {
	var buffer bytes.Buffer
	archive := tar.NewWriter(&buffer)
	for _, file := range files {
		header := &tar.Header{Name: file.path, Mode: file.mode, Size: int64(len(file.data)), Linkname: file.link, Typeflag: tar.TypeReg}
		switch {
		case file.link != "":
			header.Typeflag = tar.TypeSymlink
		case file.path[len(file.path)-1] == '/':
			header.Typeflag = tar.TypeDir
		}
		if err := archive.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := archive.Write(file.data); err != nil {
			return nil, err
		}
	}
	err := archive.Close()
	return buffer.Bytes(), err
}
