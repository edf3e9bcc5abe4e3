package main

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// mountsUnder lists the mount points at or below path, the deepest and latest first.
func mountsUnder(path string) ([]string, error) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("read mounts: %w", err)
	}
	return parseMounts(string(text), path), nil
}

func parseMounts(mountinfo, path string) []string {
	var found []string
	for line := range strings.Lines(mountinfo) {
		fields := strings.Fields(line)
		if len(fields) < 5 {
			continue
		}
		if point := unescapeMount(fields[4]); point == path || strings.HasPrefix(point, path+"/") {
			found = append(found, point)
		}
	}
	// The list is in order of mounting, and what was mounted last lies on top.
	slices.Reverse(found)
	return found
}

// unescapeMount undoes the kernel's \ooo for blanks and backslashes.
func unescapeMount(field string) string {
	var text strings.Builder
	for i := 0; i < len(field); i++ {
		if field[i] == '\\' && i+3 < len(field) {
			if code, err := strconv.ParseUint(field[i+1:i+4], 8, 8); err == nil {
				text.WriteByte(byte(code))
				i += 3
				continue
			}
		}
		text.WriteByte(field[i])
	}
	return text.String()
}

// unmountUnder lazily unmounts everything at or below path.
func unmountUnder(path string) error {
	// Each pass takes the top layer off points that are mounted several times over.
	for range 10 {
		mounts, err := mountsUnder(path)
		if err != nil || len(mounts) == 0 {
			return err
		}
		for _, point := range mounts {
			if err := syscall.Unmount(point, syscall.MNT_DETACH|umountNoFollow); err != nil && err != syscall.EINVAL {
				return fmt.Errorf("unmount %q: %w", point, err)
			}
		}
	}
	return fmt.Errorf("unmount everything under %q: mounts keep coming back; what mounts them?", path)
}

const umountNoFollow = 0x8

// shareMounts makes path a mount point with shared propagation: pods see later mounts and propagate theirs back.
func shareMounts(path string) error {
	if err := syscall.Mount(path, path, "", syscall.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind %q to itself: %w", path, err)
	}
	// Private first: a bind mount joins its source's peers, and everything mounted here would appear there again.
	for _, propagation := range []uintptr{syscall.MS_PRIVATE, syscall.MS_SHARED} {
		if err := syscall.Mount("", path, "", propagation, ""); err != nil {
			return fmt.Errorf("share mounts under %q: %w", path, err)
		}
	}
	return nil
}
