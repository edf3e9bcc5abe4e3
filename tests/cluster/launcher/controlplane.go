package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"time"
)

// controlPlane is etcd and kube-apiserver, with kube-controller-manager if asked for.
type controlPlane struct {
	dir     runDir
	node    string // path of the multi-call binary
	address string // where the API server listens and what it advertises
	port    int
	etcd    string
	options controlPlaneOptions
}

type controlPlaneOptions struct {
	controllerManager bool
	apiserverFlags    []string
}

// controlPlaneInfo is the line of JSON a ready control plane prints.
type controlPlaneInfo struct {
	Ready      bool           `json:"ready"`
	Kubeconfig string         `json:"kubeconfig"`
	Kubectl    string         `json:"kubectl"`
	Server     string         `json:"server"`
	Etcd       string         `json:"etcd"`
	Directory  string         `json:"dir"`
	Logs       string         `json:"logs"`
	Pids       map[string]int `json:"pids"`
}

const serviceRange, apiServiceAddress = "10.96.0.0/16", "10.96.0.1"

// madeByAPIServer is what a fresh API server makes by itself shortly after it is ready. Waited for, so that a test that
// counts objects finds the same ones every time.
var madeByAPIServer = []string{
	"/readyz",
	"/api/v1/namespaces/default",
	"/api/v1/namespaces/kube-system",
	"/api/v1/namespaces/kube-public",
	"/api/v1/namespaces/kube-node-lease",
	"/api/v1/namespaces/default/services/kubernetes",
}

// startControlPlane brings one up on loopback.
func startControlPlane(ctx context.Context, s *supervisor, options controlPlaneOptions) (*controlPlaneInfo, error) {
	node, err := sibling("node")
	if err != nil {
		return nil, err
	}
	plane := &controlPlane{dir: s.dir, node: node, address: "127.0.0.1", options: options}
	if err := s.onFreePorts(3, plane.address, func(ports []int) error { return plane.start(ctx, s, ports) }); err != nil {
		return nil, err
	}
	return plane.info(s), nil
}

func (p *controlPlane) info(s *supervisor) *controlPlaneInfo {
	return &controlPlaneInfo{
		Ready:      true,
		Kubeconfig: p.dir.path("kubeconfig"),
		Kubectl:    p.dir.path("kubectl"),
		Server:     p.server(),
		Etcd:       p.etcd,
		Directory:  string(p.dir),
		Logs:       p.dir.path("logs"),
		Pids:       s.pids(),
	}
}

func (p *controlPlane) server() string {
	return "https://" + net.JoinHostPort(p.address, strconv.Itoa(p.port))
}

func (p *controlPlane) pki(file string) string { return p.dir.path("pki", file) }

// start needs three ports: the API server's, etcd's for clients and etcd's for its peers.
func (p *controlPlane) start(ctx context.Context, s *supervisor, ports []int) error {
	p.port = ports[0]
	p.etcd = "http://" + loopbackAddress(ports[1])
	if err := p.writeKeys(); err != nil {
		return err
	}
	if err := p.writeClients(); err != nil {
		return err
	}
	if err := s.start("etcd", nil, p.node, slices.Concat([]string{"etcd"}, etcdFlags(p.dir, p.etcd, "http://"+loopbackAddress(ports[2])))...); err != nil {
		return err
	}
	// The API server tries to reach etcd until it answers, so it is started right away.
	if err := s.start("kube-apiserver", nil, p.node, slices.Concat([]string{"kube-apiserver"}, p.apiserverFlags())...); err != nil {
		return err
	}
	client, err := newAPIClient(p.server(), p.pki)
	if err != nil {
		return err
	}
	if err := s.await(ctx, "kube-apiserver", 60*time.Second, client.exists(madeByAPIServer...)); err != nil {
		return err
	}
	if !p.options.controllerManager {
		return nil
	}
	if err := s.start("kube-controller-manager", nil, p.node, slices.Concat([]string{"kube-controller-manager"}, p.controllerManagerFlags())...); err != nil {
		return err
	}
	account := "/api/v1/namespaces/default/serviceaccounts/default"
	return s.await(ctx, "the default ServiceAccount", 60*time.Second, client.exists(account))
}

func loopbackAddress(port int) string { return "127.0.0.1:" + strconv.Itoa(port) }

func etcdFlags(dir runDir, client, peer string) []string {
	return []string{
		"--name=test",
		"--data-dir=" + dir.path("etcd"),
		"--listen-client-urls=" + client,
		"--advertise-client-urls=" + client,
		"--listen-peer-urls=" + peer,
		"--initial-advertise-peer-urls=" + peer,
		"--initial-cluster=test=" + peer,
		"--unsafe-no-fsync",
		"--log-level=warn",
	}
}

func (p *controlPlane) apiserverFlags() []string {
	flags := []string{
		"--etcd-servers=" + p.etcd,
		"--bind-address=" + p.address,
		"--secure-port=" + strconv.Itoa(p.port),
		"--tls-cert-file=" + p.pki("apiserver.crt"),
		"--tls-private-key-file=" + p.pki("apiserver.key"),
		"--client-ca-file=" + p.pki("ca.crt"),
		"--cert-dir=" + p.dir.path("pki"),
		"--service-cluster-ip-range=" + serviceRange,
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + p.pki("serviceaccounts.pub"),
		"--service-account-signing-key-file=" + p.pki("serviceaccounts.key"),
		"--requestheader-client-ca-file=" + p.pki("front-proxy-ca.crt"),
		"--requestheader-allowed-names=front-proxy-client",
		"--requestheader-username-headers=X-Remote-User",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file=" + p.pki("front-proxy-client.crt"),
		"--proxy-client-key-file=" + p.pki("front-proxy-client.key"),
		// By address: no DNS has the name of the node.
		"--kubelet-preferred-address-types=InternalIP",
		"--kubelet-certificate-authority=" + p.pki("ca.crt"),
		"--kubelet-client-certificate=" + p.pki("admin.crt"),
		"--kubelet-client-key=" + p.pki("admin.key"),
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--allow-privileged",
		"--profiling=false",
	}
	if p.onLoopback() {
		// Endpoints of the `kubernetes` service must not be loopback addresses, so there are none.
		flags = append(flags, "--endpoint-reconciler-type=none")
	}
	if !p.options.controllerManager {
		// Without the ServiceAccount `default` of a namespace every pod would be refused, and no controller makes it here.
		flags = append(flags, "--disable-admission-plugins=ServiceAccount")
	}
	return append(flags, p.options.apiserverFlags...)
}

func (p *controlPlane) onLoopback() bool { return net.ParseIP(p.address).IsLoopback() }

func (p *controlPlane) controllerManagerFlags() []string {
	return []string{
		"--kubeconfig=" + p.pki("controller-manager.kubeconfig"),
		"--leader-elect=false",
		"--secure-port=0",
		"--use-service-account-credentials",
		"--service-account-private-key-file=" + p.pki("serviceaccounts.key"),
		"--root-ca-file=" + p.pki("ca.crt"),
		"--cluster-signing-cert-file=" + p.pki("ca.crt"),
		"--cluster-signing-key-file=" + p.pki("ca.key"),
		"--kube-api-qps=500",
		"--kube-api-burst=1000",
		"--profiling=false",
	}
}

func (p *controlPlane) writeKeys() error {
	clusterCA, err := newAuthority(p.dir.path("pki"), "ca")
	if err != nil {
		return err
	}
	frontProxyCA, err := newAuthority(p.dir.path("pki"), "front-proxy-ca")
	if err != nil {
		return err
	}
	service := []string{"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"}
	certificates := []struct {
		by      *authority
		file    string
		subject identity
	}{
		{clusterCA, "apiserver", identity{name: "kube-apiserver", hosts: append(service, "localhost", "127.0.0.1", p.address, apiServiceAddress)}},
		{clusterCA, "admin", identity{name: "admin", groups: []string{"system:masters"}}},
		{clusterCA, "controller-manager", identity{name: "system:kube-controller-manager"}},
		{clusterCA, "scheduler", identity{name: "system:kube-scheduler"}},
		{clusterCA, "kube-proxy", identity{name: "system:kube-proxy"}},
		{clusterCA, "kubelet", identity{name: "system:node:" + nodeName, groups: []string{"system:nodes"}, hosts: []string{nodeName, p.address}}},
		{frontProxyCA, "front-proxy-client", identity{name: "front-proxy-client"}},
	}
	for _, c := range certificates {
		if err := c.by.issue(c.file, c.subject); err != nil {
			return err
		}
	}
	return writeSigningPair(p.dir.path("pki"), "serviceaccounts")
}

// writeClients writes a kubeconfig for each client and the kubectl of this cluster.
func (p *controlPlane) writeClients() error {
	if err := writeKubeconfig(p.dir.path("kubeconfig"), p.server(), p.pki, "admin"); err != nil {
		return err
	}
	for _, user := range []string{"controller-manager", "scheduler", "kube-proxy", "kubelet"} {
		if err := writeKubeconfig(p.pki(user+".kubeconfig"), p.server(), p.pki, user); err != nil {
			return err
		}
	}
	return os.WriteFile(p.dir.path("kubectl"), []byte(renderKubectl(p.node, p.dir)), 0o755)
}

// renderKubectl keeps what kubectl remembers of the API beside the cluster: by its default place it would take a later
// cluster at the same address for this one.
func renderKubectl(node string, dir runDir) string {
	return fmt.Sprintf("#!/bin/sh\nKUBECONFIG=%s KUBECACHEDIR=%s exec %s kubectl \"$@\"\n",
		shellQuote(dir.path("kubeconfig")), shellQuote(dir.path("kubectl-cache")), shellQuote(node))
}
