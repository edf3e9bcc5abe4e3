package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

func containerdSocket(dir runDir) string { return dir.path("containerd", "containerd.sock") }

// containerdTasks is where containerd keeps what it knows of running containers.
func containerdTasks(dir runDir) string {
	return dir.path("containerd", "state", "io.containerd.runtime.v2.task", "k8s.io")
}

func startContainerd(ctx context.Context, s *supervisor) error {
	config := s.dir.path("containerd", "config.toml")
	if err := os.MkdirAll(filepath.Dir(config), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(config, []byte(renderContainerd(s.dir)), 0o644); err != nil {
		return err
	}
	if err := s.start("containerd", nil, "containerd", "--config", config); err != nil {
		return err
	}
	return s.await(ctx, "containerd", 30*time.Second, func(ctx context.Context) error {
		connection, err := new(net.Dialer).DialContext(ctx, "unix", containerdSocket(s.dir))
		if err != nil {
			return err
		}
		return connection.Close()
	})
}

func renderContainerd(dir runDir) string {
	return fmt.Sprintf(`version = 2
root = %[1]q
state = %[2]q
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
]

[grpc]
address = %[3]q

[plugins."io.containerd.internal.v1.opt"]
path = %[4]q

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = %[5]q
netns_mounts_under_state_dir = true
# Not every root may lower a score, and without it nothing but the order of killing changes.
restrict_oom_score_adj = true

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = %[6]q
conf_dir = %[7]q

[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "overlayfs"
default_runtime_name = "runc"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false
Root = %[8]q
`, dir.path("containerd", "root"), dir.path("containerd", "state"), containerdSocket(dir), dir.path("containerd", "opt"),
		pauseImage, cniPlugins, dir.path("cni", "conf"), dir.path("runc"))
}

// removeShimSockets removes the sockets of killed shims, which lie in a directory that all containerds share.
func removeShimSockets(dir runDir) {
	addresses, _ := filepath.Glob(filepath.Join(containerdTasks(dir), "*", "address"))
	for _, file := range addresses {
		if address, err := os.ReadFile(file); err == nil {
			if path, isUnix := strings.CutPrefix(strings.TrimSpace(string(address)), "unix://"); isUnix {
				_ = os.Remove(path) // a shim that ended by itself has removed it
			}
		}
	}
}
