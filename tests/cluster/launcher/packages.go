package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// debianPackage is a package of the distribution, known to be installed by one of its files.
type debianPackage struct{ name, file string }

// nodePackages are what a node and the images on it need; restic is there to hold our repositories against the real one.
var nodePackages = []debianPackage{
	{"containerd", "/usr/bin/containerd"},
	{"runc", "/usr/sbin/runc"},
	{"containernetworking-plugins", cniPlugins + "/bridge"},
	{"iproute2", "/usr/sbin/ip"},
	{"iptables", "/usr/sbin/iptables-save"},
	{"conntrack", "/usr/sbin/conntrack"},
	{"ethtool", "/usr/sbin/ethtool"},
	{"socat", "/usr/bin/socat"},
	{"kmod", "/usr/sbin/modprobe"},
	{"buildah", "/usr/bin/buildah"},
	{"restic", "/usr/bin/restic"},
	{"busybox-static", "/usr/share/doc/busybox-static"},
	{"ca-certificates", "/usr/share/ca-certificates/mozilla"},
}

// buildPackages are what building an image needs.
var buildPackages = []debianPackage{{"buildah", "/usr/bin/buildah"}}

const cniPlugins = "/usr/lib/cni"

// missingPackages lists those that are not installed.
func missingPackages(packages []debianPackage, exists func(string) bool) []string {
	var missing []string
	for _, p := range packages {
		// Debian may or may not have merged /bin and /sbin into /usr.
		if !exists(p.file) && !exists(strings.TrimPrefix(p.file, "/usr")) {
			missing = append(missing, p.name)
		}
	}
	return missing
}

func installPackages(ctx context.Context, packages []debianPackage) error {
	missing := missingPackages(packages, func(path string) bool {
		_, err := os.Stat(path)
		return err == nil
	})
	if len(missing) == 0 {
		return nil
	}
	if _, err := exec.LookPath("apt-get"); err != nil {
		return fmt.Errorf("these Debian packages are missing and there is no apt-get to install them: %s", strings.Join(missing, " "))
	}
	say("installing Debian packages: %s", strings.Join(missing, " "))
	steps := [][]string{
		{"update", "-qq"},
		slices.Concat([]string{"install", "-y", "-qq", "--no-install-recommends"}, missing),
	}
	for _, step := range steps {
		command := exec.CommandContext(ctx, "apt-get", step...)
		command.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		if output, err := command.CombinedOutput(); err != nil {
			return fmt.Errorf("apt-get %s: %w:\n%s", step[0], err, output)
		}
	}
	return nil
}

func say(format string, arguments ...any) { fmt.Fprintf(os.Stderr, format+"\n", arguments...) }
