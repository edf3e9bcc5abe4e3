package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

const kubeletPort = 10250

// containerLogs is where kubelet links every container's log, wherever the logs themselves are.
const containerLogs = "/var/log/containers"

func startKubelet(s *supervisor, plane *controlPlane, healthPort int) error {
	config := s.dir.path("kubelet", "config.yaml")
	if err := os.WriteFile(config, []byte(renderKubelet(plane, healthPort)), 0o644); err != nil {
		return err
	}
	return s.start("kubelet", nil, plane.node, "kubelet",
		"--config="+config,
		"--kubeconfig="+plane.pki("kubelet.kubeconfig"),
		"--root-dir="+s.dir.path("kubelet"),
		"--hostname-override="+nodeName,
		"--node-ip="+nodeAddress,
	)
}

func renderKubelet(plane *controlPlane, healthPort int) string {
	return fmt.Sprintf(`apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: %[1]s
port: %[2]d
readOnlyPort: 0
healthzBindAddress: 127.0.0.1
healthzPort: %[3]d
authentication:
  anonymous: {enabled: false}
  webhook: {enabled: true}
  x509: {clientCAFile: %[4]q}
authorization: {mode: Webhook}
tlsCertFile: %[5]q
tlsPrivateKeyFile: %[6]q
containerRuntimeEndpoint: %[7]q
podLogsDir: %[8]q
volumePluginDir: %[9]q
resolvConf: /etc/resolv.conf
cgroupDriver: cgroupfs
failCgroupV1: false
failSwapOn: false
enforceNodeAllocatable: []
evictionHard: {memory.available: 50Mi, nodefs.available: 1%%, nodefs.inodesFree: 1%%, imagefs.available: 1%%}
# There is nowhere to pull a removed image from again.
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
`, nodeAddress, kubeletPort, healthPort, plane.pki("ca.crt"), plane.pki("kubelet.crt"), plane.pki("kubelet.key"),
		"unix://"+containerdSocket(plane.dir), plane.dir.path("pod-logs"), plane.dir.path("kubelet", "plugins-exec"))
}

func startKubeProxy(s *supervisor, plane *controlPlane, healthPort, metricsPort int) error {
	return s.start("kube-proxy", nil, plane.node, "kube-proxy",
		"--kubeconfig="+plane.pki("kube-proxy.kubeconfig"),
		"--hostname-override="+nodeName,
		"--proxy-mode=iptables",
		"--cluster-cidr="+podNetwork,
		// Node ports only inside this machine, and the machine's settings of connection tracking left alone.
		"--nodeport-addresses="+podNetwork,
		"--iptables-localhost-nodeports=false",
		"--conntrack-max-per-core=0",
		"--conntrack-tcp-timeout-established=0",
		"--conntrack-tcp-timeout-close-wait=0",
		"--healthz-bind-address="+loopbackAddress(healthPort),
		"--metrics-bind-address="+loopbackAddress(metricsPort),
	)
}

// removeContainerLogLinks removes kubelet's links to logs of the run directory.
func removeContainerLogLinks(dir runDir) {
	links, _ := filepath.Glob(containerLogs + "/*.log")
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil && strings.HasPrefix(target, string(dir)+"/") {
			_ = os.Remove(link)
		}
	}
	_ = os.Remove(containerLogs) // succeeds when empty
}
