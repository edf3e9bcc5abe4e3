package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"
)

const (
	nodeName    = "test-node"
	nodeAddress = "10.88.0.1"
	// longestRunDir leaves room for the sockets below it: a socket's path has at most 107 characters.
	longestRunDir = 60
)

// nodeInfo is the JSON that describes a node that is up.
type nodeInfo struct {
	*controlPlaneInfo
	Node        string `json:"node"`
	Address     string `json:"address"`
	KubeletRoot string `json:"kubelet_root"`
	// Pods is where volumes of pods are, as <pod uid>/volumes/...: what Velero's node agent mounts as its host path.
	Pods   string   `json:"pods"`
	Images []string `json:"images"`
}

func nodeUp(ctx context.Context, path string) error {
	if os.Geteuid() != 0 {
		return errors.New("a node needs root: it mounts, makes network devices and cgroups; `control-plane up` does not")
	}
	dir, err := resolveRunDir(path)
	if err != nil {
		return err
	}
	if len(dir) > longestRunDir {
		return fmt.Errorf("the run directory %q has %d characters, more than the %d that leave room for sockets: choose a shorter --dir", dir, len(dir), longestRunDir)
	}
	setPath()
	if owner := bridgeOwner(); owner != "" && owner != dir {
		if err := removeDeadNode(ctx, owner); err != nil {
			return err
		}
	}
	lock, err := dir.claim()
	if err != nil {
		return err
	}
	defer lock.Close()
	up, err := nodeIsUp(ctx, dir)
	if up || err != nil {
		return err
	}
	if err := teardown(ctx, dir); err != nil {
		return fmt.Errorf("clean up what an earlier run left: %w", err)
	}
	if err := os.RemoveAll(dir.path("logs")); err != nil {
		return err
	}
	if err := installPackages(ctx, nodePackages); err != nil {
		return err
	}
	if err := refuseOtherNode(ctx); err != nil {
		return err
	}
	began := time.Now()
	s := newSupervisor(dir, false)
	info, err := startNode(ctx, s)
	if err == nil {
		err = dir.writeJSON("info.json", info)
	}
	if err != nil {
		s.stop()
		return errors.Join(err, teardown(context.WithoutCancel(ctx), dir))
	}
	say("up in %.1f s; try: %s get pods -A", time.Since(began).Seconds(), info.Kubectl)
	say("images of the node: %v; more with `image load` and `image build`", info.Images)
	return json.NewEncoder(os.Stdout).Encode(info)
}

// removeDeadNode removes what is left of a node of another run directory after all its processes were killed at once,
// for instance with the session that had started it: then nothing is left that would take it down. A node of which any
// process runs belongs to its user.
func removeDeadNode(ctx context.Context, owner runDir) error {
	if owner.claimed() {
		lock, err := owner.lock()
		if err != nil {
			return fmt.Errorf("there is one node on a machine: %w", err)
		}
		defer lock.Close()
	}
	if running, err := ownedPids(owner); err != nil || len(running) > 0 {
		return errors.Join(err, fmt.Errorf("a node is up already in %q, and there is one on a machine: `cluster down --dir %s` first", owner, owner))
	}
	say("removing what a killed node in %s left", owner)
	if err := teardown(ctx, owner); err != nil {
		return fmt.Errorf("remove what a killed node in %q left: %w", owner, err)
	}
	return nil
}

// nodeIsUp reports a healthy node, and fails when some of its components are gone. When all are (after a crash
// of the machine), or when it never became ready, a new start is in order.
func nodeIsUp(ctx context.Context, dir runDir) (bool, error) {
	running, stopped := recordedPids(dir)
	info := &nodeInfo{controlPlaneInfo: &controlPlaneInfo{}}
	if len(running) == 0 || dir.readJSON("info.json", info) != nil {
		return false, nil
	}
	if len(stopped) > 0 {
		return false, damaged(dir, stopped[0])
	}
	client, err := newAPIClient(info.Server, func(file string) string { return dir.path("pki", file) })
	if err == nil {
		err = nodeReady(client)(ctx)
	}
	if err != nil {
		return false, fmt.Errorf("the node in %q runs but is not healthy: %w; bring it down, then up again", dir, err)
	}
	say("already up in %s", dir)
	return true, json.NewEncoder(os.Stdout).Encode(info)
}

// refuseOtherNode keeps away from machines that already are Kubernetes nodes: both would fight over the same rules and
// cgroups, and `down` would remove the other's.
func refuseOtherNode(ctx context.Context) error {
	chains, err := hasClusterChains(ctx)
	if err != nil {
		return err
	}
	if chains || len(podCgroups()) > 0 {
		return errors.New("this machine has packet filter chains KUBE-* or CNI-*, or cgroups kubepods, of another Kubernetes: stop that first")
	}
	return nil
}

func startNode(ctx context.Context, s *supervisor) (*nodeInfo, error) {
	binary, err := sibling("node")
	if err != nil {
		return nil, err
	}
	if err := prepareMachine(ctx, s.dir); err != nil {
		return nil, err
	}
	planePorts, err := freePorts(3, nodeAddress)
	if err != nil {
		return nil, err
	}
	healthPorts, err := freePorts(3, "127.0.0.1")
	if err != nil {
		return nil, err
	}
	if err := startContainerd(ctx, s); err != nil {
		return nil, err
	}
	plane := &controlPlane{dir: s.dir, node: binary, address: nodeAddress, options: controlPlaneOptions{controllerManager: true}}
	if err := plane.start(ctx, s, planePorts); err != nil {
		return nil, err
	}
	if err := importTestImages(ctx, s.dir); err != nil {
		return nil, err
	}
	if err := startScheduler(s, plane); err != nil {
		return nil, err
	}
	if err := startKubelet(s, plane, healthPorts[0]); err != nil {
		return nil, err
	}
	if err := startKubeProxy(s, plane, healthPorts[1], healthPorts[2]); err != nil {
		return nil, err
	}
	client, err := newAPIClient(plane.server(), plane.pki)
	if err != nil {
		return nil, err
	}
	if err := s.await(ctx, "the node to be ready", 120*time.Second, nodeReady(client)); err != nil {
		return nil, err
	}
	if err := s.await(ctx, "kube-proxy", 60*time.Second, answers("http://"+loopbackAddress(healthPorts[1])+"/healthz")); err != nil {
		return nil, err
	}
	return &nodeInfo{
		controlPlaneInfo: plane.info(s),
		Node:             nodeName,
		Address:          nodeAddress,
		KubeletRoot:      s.dir.path("kubelet"),
		Pods:             s.dir.path("kubelet", "pods"),
		Images:           []string{pauseImage, busyboxImage, admissionImage},
	}, nil
}

func prepareMachine(ctx context.Context, dir runDir) error {
	for _, directory := range []string{"kubelet", "pod-logs"} {
		if err := os.MkdirAll(dir.path(directory), 0o755); err != nil {
			return err
		}
	}
	if err := routeBetweenPods(ctx, dir); err != nil {
		return err
	}
	if err := addBridge(ctx, dir); err != nil {
		return err
	}
	if err := writeCNI(dir); err != nil {
		return err
	}
	return shareMounts(dir.path("kubelet"))
}

func startScheduler(s *supervisor, plane *controlPlane) error {
	return s.start("kube-scheduler", nil, plane.node, "kube-scheduler",
		"--kubeconfig="+plane.pki("scheduler.kubeconfig"), "--leader-elect=false", "--secure-port=0", "--profiling=false")
}

// nodeReady is the check that the node is Ready and that nothing keeps pods off it.
func nodeReady(client *apiClient) func(context.Context) error {
	return func(ctx context.Context) error {
		var node struct {
			Spec   struct{ Taints []struct{ Key string } }
			Status struct {
				Conditions []struct{ Type, Status, Message string }
			}
		}
		if err := client.get(ctx, "/api/v1/nodes/"+nodeName, &node); err != nil {
			return err
		}
		for _, condition := range node.Status.Conditions {
			if condition.Type == "Ready" && condition.Status != "True" {
				return fmt.Errorf("node is not ready: %s", condition.Message)
			}
		}
		if len(node.Status.Conditions) == 0 || len(node.Spec.Taints) > 0 {
			return fmt.Errorf("node has %d conditions and the taints %v", len(node.Status.Conditions), node.Spec.Taints)
		}
		return nil
	}
}

// setPath adds where Debian keeps administrators' programs, which not every shell has in its path.
func setPath() {
	_ = os.Setenv("PATH", os.Getenv("PATH")+":/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin")
}

// runningNode is the run directory of a node that images can be loaded into.
func runningNode(path string) (runDir, error) {
	dir, err := resolveRunDir(path)
	if err != nil {
		return "", err
	}
	setPath()
	if running, _ := recordedPids(dir); running["containerd"] == 0 {
		return "", fmt.Errorf("no node runs in %q: `cluster up` first, or name its --dir", dir)
	}
	return dir, nil
}

func nodeDown(path string) error {
	dir, err := resolveRunDir(path)
	if err != nil {
		return err
	}
	setPath()
	if dir.claimed() {
		lock, err := dir.lock()
		if err != nil {
			return err
		}
		defer lock.Close()
	}
	if err := teardown(context.Background(), dir); err != nil {
		return err
	}
	say("down; logs stay in %s", dir.path("logs"))
	return nil
}

// teardown removes everything of a node from the machine, in whatever state a crash has left it, and may be repeated. A
// step that fails does not keep the others from being tried.
func teardown(ctx context.Context, dir runDir) error {
	// Components that would restart others stop first.
	order := []string{"kubelet", "kube-controller-manager", "kube-scheduler", "kube-proxy", "kube-apiserver", "containerd"}
	if err := killOwned(dir, order...); err != nil {
		return err
	}
	if bridgeOwner() != dir && !dir.heldNode() {
		return dir.clear()
	}
	// Without the shims the containers' own processes stay behind.
	if err := killUntilNone(podPids); err != nil {
		return err
	}
	removeShimSockets(dir)
	removeContainerLogLinks(dir)
	removeNetworkRecords()
	failures := []error{
		unmountUnder(string(dir)),
		removeBridge(ctx),
		removeClusterChains(ctx),
		removePodCgroups(),
		restoreKernelSettings(dir),
	}
	if err := errors.Join(failures...); err != nil {
		return err
	}
	return dir.clear()
}
