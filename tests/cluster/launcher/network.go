package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// The pod network is one bridge; its own address is the node's. There is one such network on a machine, so there is one
// node on a machine; the alias of the bridge names its run directory.
const (
	networkName = "velero-test"
	bridge      = networkName + "0"
	podNetwork  = "10.88.0.0/17"
	nodeSubnet  = nodeAddress + "/17"
)

// bridgeOwner is the run directory of the node that has the bridge, empty when there is no bridge.
func bridgeOwner() runDir {
	alias, err := os.ReadFile("/sys/class/net/" + bridge + "/ifalias")
	if err != nil {
		return ""
	}
	return runDir(strings.TrimSpace(string(alias)))
}

func addBridge(ctx context.Context, owner runDir) error {
	steps := [][]string{
		{"link", "add", bridge, "type", "bridge"},
		{"link", "set", bridge, "alias", string(owner)},
		{"address", "add", nodeSubnet, "dev", bridge},
		{"link", "set", bridge, "up"},
	}
	for _, step := range steps {
		if err := run(ctx, "ip", step...); err != nil {
			return fmt.Errorf("make the pod network's bridge: %w", err)
		}
	}
	return nil
}

// removeBridge removes the bridge and the ends of pods' cables plugged into it.
func removeBridge(ctx context.Context) error {
	ports, _ := filepath.Glob("/sys/class/net/" + bridge + "/brif/*")
	for _, port := range ports {
		// The other end's network namespace may be just going away, and the cable with it.
		if err := run(ctx, "ip", "link", "delete", filepath.Base(port)); err != nil && linkExists(filepath.Base(port)) {
			return err
		}
	}
	if !linkExists(bridge) {
		return nil
	}
	return run(ctx, "ip", "link", "delete", bridge)
}

func linkExists(name string) bool {
	_, err := os.Stat("/sys/class/net/" + name)
	return err == nil
}

// writeCNI writes the network's configuration for containerd.
func writeCNI(dir runDir) error {
	if err := os.MkdirAll(dir.path("cni", "conf"), 0o755); err != nil {
		return err
	}
	return os.WriteFile(dir.path("cni", "conf", "10-bridge.conflist"), []byte(renderCNI(dir)), 0o644)
}

func renderCNI(dir runDir) string {
	return fmt.Sprintf(`{
  "cniVersion": "1.0.0",
  "name": %q,
  "plugins": [
    {
      "type": "bridge",
      "bridge": %q,
      "isGateway": true,
      "ipMasq": true,
      "hairpinMode": true,
      "ipam": {
        "type": "host-local",
        "ranges": [[{"subnet": %q, "gateway": %q}]],
        "routes": [{"dst": "0.0.0.0/0"}],
        "dataDir": %q
      }
    },
    {"type": "portmap", "capabilities": {"portMappings": true}}
  ]
}
`, networkName, bridge, podNetwork, nodeAddress, dir.path("cni", "addresses"))
}

// removeNetworkRecords removes what the CNI library, which has one place for all networks of a machine, remembers of our
// pods: their cables and loopback devices.
func removeNetworkRecords() {
	const directory = "/var/lib/cni/results/"
	records, _ := filepath.Glob(directory + networkName + "-*-eth0")
	for _, record := range records {
		pod := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(record), networkName+"-"), "-eth0")
		_ = os.Remove(record)
		_ = os.Remove(directory + "cni-loopback-" + pod + "-lo")
	}
}

// kernelSettings are the sysctls that a node changes, by us, kubelet, kube-proxy or a CNI plugin.
var kernelSettings = []string{
	"net/ipv4/ip_forward",
	"net/bridge/bridge-nf-call-iptables",
	"vm/overcommit_memory",
	"kernel/panic",
	"kernel/panic_on_oops",
	"kernel/keys/root_maxkeys",
	"kernel/keys/root_maxbytes",
}

// routeBetweenPods turns on what the pod network needs, after having kept all settings for restoreKernelSettings.
func routeBetweenPods(ctx context.Context, dir runDir) error {
	for _, module := range []string{"br_netfilter", "overlay"} {
		_ = run(ctx, "modprobe", module) // built in, or the commands below fail
	}
	before := map[string]string{}
	for _, name := range kernelSettings {
		if value, err := os.ReadFile("/proc/sys/" + name); err == nil {
			before[name] = strings.TrimSpace(string(value))
		}
	}
	if err := dir.writeJSON("sysctls.json", before); err != nil {
		return err
	}
	for _, name := range kernelSettings[:2] {
		if _, there := before[name]; !there {
			return fmt.Errorf("the kernel has no setting %q: is the module br_netfilter missing?", name)
		}
		if err := os.WriteFile("/proc/sys/"+name, []byte("1"), 0o644); err != nil {
			return fmt.Errorf("let pods reach one another: %w", err)
		}
	}
	return nil
}

func restoreKernelSettings(dir runDir) error {
	before := map[string]string{}
	if err := dir.readJSON("sysctls.json", &before); err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		return fmt.Errorf("restore kernel settings: %w", err)
	}
	for name, value := range before {
		if err := os.WriteFile("/proc/sys/"+name, []byte(value), 0o644); err != nil {
			return fmt.Errorf("restore kernel settings: %w", err)
		}
	}
	return nil
}
