package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// service runs one verb of a service that lives in its run directory alone (no mounts, no network devices). start brings
// it up and returns what its users need to know, as JSON.
func service(ctx context.Context, verb, path string, start func(context.Context, *supervisor) (any, error)) error {
	dir, err := resolveRunDir(path)
	if err != nil {
		return err
	}
	if dir.heldNode() {
		return fmt.Errorf("%q holds a node: `cluster down` is for that, or choose another --dir", dir)
	}
	if verb == "down" {
		return serviceDown(dir)
	}
	lock, err := dir.claim()
	if err != nil {
		return err
	}
	defer lock.Close()
	if verb == "up" {
		return serviceUp(ctx, dir, start)
	}
	return serviceRun(ctx, dir, start)
}

// serviceRun keeps the service in the foreground until stdin closes, a signal comes or a component dies.
func serviceRun(ctx context.Context, dir runDir, start func(context.Context, *supervisor) (any, error)) error {
	if running, _ := recordedPids(dir); len(running) > 0 {
		return fmt.Errorf("something is up in %q already: bring it down or choose another --dir", dir)
	}
	if err := restart(dir); err != nil {
		return err
	}
	s := newSupervisor(dir, true)
	defer s.stop()
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel(errors.New("standard input was closed"))
	}()
	info, err := start(ctx, s)
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(info)
	}
	if err == nil {
		select {
		case <-ctx.Done():
		case dead := <-s.deaths:
			err = s.obituary(dead)
		}
	}
	s.stop()
	return errors.Join(err, dir.clear())
}

// serviceUp leaves the service running in the background. A healthy one is left as it is.
func serviceUp(ctx context.Context, dir runDir, start func(context.Context, *supervisor) (any, error)) error {
	running, stopped := recordedPids(dir)
	var info json.RawMessage
	if dir.readJSON("info.json", &info) == nil && len(running) > 0 {
		if len(stopped) > 0 {
			return damaged(dir, stopped[0])
		}
		fmt.Fprintf(os.Stderr, "already up in %s\n", dir)
		_, err := fmt.Printf("%s\n", info)
		return err
	}
	if err := restart(dir); err != nil {
		return err
	}
	s := newSupervisor(dir, false)
	description, err := start(ctx, s)
	if err == nil {
		err = dir.writeJSON("info.json", description)
	}
	if err != nil {
		s.stop()
		return errors.Join(err, dir.clear())
	}
	return json.NewEncoder(os.Stdout).Encode(description)
}

func damaged(dir runDir, component string) error {
	return fmt.Errorf("what runs in %q is damaged, %s is gone: bring it down, then up again; the last lines of its log:\n%s",
		dir, component, lastLines(dir.logFile(component), 15))
}

func serviceDown(dir runDir) error {
	if !dir.claimed() {
		fmt.Fprintf(os.Stderr, "nothing to bring down in %s\n", dir)
		return killOwned(dir)
	}
	lock, err := dir.lock()
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := killOwned(dir); err != nil {
		return err
	}
	if err := dir.clear(); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "down; the logs stay in %s\n", dir.path("logs"))
	return nil
}

// restart makes an empty run directory of one that a crash may have left.
func restart(dir runDir) error {
	if err := killOwned(dir); err != nil {
		return err
	}
	if err := dir.clear(); err != nil {
		return err
	}
	return os.RemoveAll(dir.path("logs"))
}

// sibling is the path of a program that the build script puts beside the launcher.
func sibling(program string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find the launcher's own directory: %w", err)
	}
	path := filepath.Join(filepath.Dir(self), program)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("find %q beside the launcher (run the build script): %w", program, err)
	}
	return path, nil
}
