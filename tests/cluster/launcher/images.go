package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// The images every node has. There is no registry: whatever else pods run is imported with `image load` or `image build`.
const (
	pauseImage     = "pause:test"
	busyboxImage   = "busybox:test"
	admissionImage = "admission:test"
)

func importImage(ctx context.Context, dir runDir, archive string) error {
	return run(ctx, "ctr", "--address", containerdSocket(dir), "--namespace", "k8s.io", "images", "import", archive)
}

// importTestImages makes and imports the images every node has.
func importTestImages(ctx context.Context, dir runDir) error {
	if err := os.MkdirAll(dir.path("images"), 0o755); err != nil {
		return err
	}
	pause, err := programFiles("pause")
	if err != nil {
		return err
	}
	admission, err := programFiles("admission")
	if err != nil {
		return err
	}
	busybox, err := busyboxFiles(ctx)
	if err != nil {
		return err
	}
	images := []struct {
		tag    string
		config imageConfig
		files  []imageFile
	}{
		{pauseImage, imageConfig{Entrypoint: []string{"/pause"}}, pause},
		{admissionImage, imageConfig{Entrypoint: []string{"/admission"}}, admission},
		{busyboxImage, imageConfig{Cmd: []string{"sh"}, Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}}, busybox},
	}
	for _, image := range images {
		path := dir.path("images", strings.ReplaceAll(image.tag, ":", "-")+".tar")
		file, err := os.Create(path)
		if err != nil {
			return err
		}
		if err := writeImage(file, image.tag, image.config, image.files); err != nil {
			file.Close()
			return err
		}
		if err := file.Close(); err != nil {
			return err
		}
		if err := importImage(ctx, dir, path); err != nil {
			return err
		}
	}
	return nil
}

// programFiles are those of an image that is one of the programs beside the launcher and nothing else.
func programFiles(name string) ([]imageFile, error) {
	path, err := sibling(name)
	if err != nil {
		return nil, err
	}
	program, err := os.ReadFile(path)
	return []imageFile{{path: name, mode: 0o755, data: program}}, err
}

func busyboxFiles(ctx context.Context) ([]imageFile, error) {
	program, err := os.ReadFile("/bin/busybox")
	if err != nil {
		return nil, fmt.Errorf("read busybox: %w", err)
	}
	applets, err := exec.CommandContext(ctx, "/bin/busybox", "--list-full").Output()
	if err != nil {
		return nil, fmt.Errorf("list busybox's applets: %w", err)
	}
	files := []imageFile{
		{path: "bin/busybox", mode: 0o755, data: program},
		{path: "tmp/", mode: 0o1777},
		{path: "root/", mode: 0o700},
		{path: "etc/passwd", mode: 0o644, data: []byte("root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n")},
		{path: "etc/group", mode: 0o644, data: []byte("root:x:0:\nnobody:x:65534:\n")},
	}
	for _, applet := range strings.Fields(string(applets)) {
		if applet != "bin/busybox" {
			files = append(files, imageFile{path: applet, mode: 0o777, link: "/bin/busybox"})
		}
	}
	return files, nil
}

func imageLoad(ctx context.Context, path, archive string) error {
	dir, err := runningNode(path)
	if err != nil {
		return err
	}
	if err := importImage(ctx, dir, archive); err != nil {
		return err
	}
	say("%s is in the node", archive)
	return nil
}

// imageBuild builds a Dockerfile without network, daemon or registry. RUN needs a base image, and there is none to be had
// but scratch and what was built before, so Dockerfiles here copy.
type imageBuild struct {
	dockerfile, context, tag, output string
	args                             []string
}

// load builds the image and imports it into the node.
func (b *imageBuild) load(ctx context.Context, path string) error {
	dir, err := runningNode(path)
	if err != nil {
		return err
	}
	err = b.build(ctx, dir.path("images"), func(archive string) error { return importImage(ctx, dir, archive) })
	if err != nil {
		return err
	}
	say("image %s is in the node; pods use it with imagePullPolicy IfNotPresent or Never", b.tag)
	return nil
}

// write builds the image into a file, for which no node is needed.
func (b *imageBuild) write(ctx context.Context) error {
	setPath()
	if err := installPackages(ctx, buildPackages); err != nil {
		return err
	}
	// Built beside its place, so that it gets there whole or not at all.
	err := b.build(ctx, filepath.Dir(b.output), func(archive string) error { return os.Rename(archive, b.output) })
	if err != nil {
		return err
	}
	say("image %s is in %s", b.tag, b.output)
	return nil
}

func (b *imageBuild) build(ctx context.Context, parent string, use func(archive string) error) error {
	work, err := os.MkdirTemp(parent, "build-")
	if err != nil {
		return fmt.Errorf("make directory to build in: %w", err)
	}
	defer os.RemoveAll(work)
	policy := filepath.Join(work, "policy.json")
	if err := os.WriteFile(policy, []byte(`{"default": [{"type": "insecureAcceptAnything"}]}`), 0o644); err != nil {
		return err
	}
	archive := filepath.Join(work, "image.tar")
	for _, step := range b.steps(work, policy, archive) {
		if err := run(ctx, "buildah", step...); err != nil {
			return err
		}
	}
	return use(archive)
}

func (b *imageBuild) steps(work, policy, archive string) [][]string {
	storage := []string{"--root", filepath.Join(work, "root"), "--runroot", filepath.Join(work, "runroot"), "--storage-driver", "vfs"}
	build := slices.Concat(storage, []string{"bud", "--isolation", "chroot", "--signature-policy", policy, "--file", b.dockerfile, "--tag", b.tag})
	for _, arg := range b.args {
		build = append(build, "--build-arg", arg)
	}
	push := slices.Concat(storage, []string{"push", "--signature-policy", policy, b.tag, "docker-archive:" + archive + ":" + b.tag})
	return [][]string{append(build, b.context), push}
}
