package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
)

// clusterChain is true of the chains that kubelet, kube-proxy and the CNI plugins make.
func clusterChain(name string) bool {
	return strings.HasPrefix(name, "KUBE-") || strings.HasPrefix(name, "CNI-")
}

// removalScript turns the output of iptables-save into the input of `iptables-restore --noflush` that removes a cluster's
// chains and the rules that lead into them. It is empty when there are none.
func removalScript(saved string) string {
	var script strings.Builder
	var table string
	var chains, rules []string
	for line := range strings.Lines(saved) {
		line = strings.TrimSpace(line)
		fields := strings.Fields(line)
		switch {
		case strings.HasPrefix(line, "*"):
			table, chains, rules = line, nil, nil
		case strings.HasPrefix(line, ":") && clusterChain(fields[0][1:]):
			chains = append(chains, fields[0][1:])
		case len(fields) > 1 && fields[0] == "-A" && !clusterChain(fields[1]) && jumpsToCluster(fields):
			rules = append(rules, "-D"+strings.TrimPrefix(line, "-A"))
		case line == "COMMIT" && len(chains) > 0:
			fmt.Fprintln(&script, table)
			for _, chain := range chains {
				fmt.Fprintf(&script, ":%s - [0:0]\n", chain) // empties it
			}
			for _, rule := range rules {
				fmt.Fprintln(&script, rule)
			}
			for _, chain := range chains {
				fmt.Fprintf(&script, "-X %s\n", chain)
			}
			fmt.Fprintln(&script, line)
		}
	}
	return script.String()
}

func jumpsToCluster(rule []string) bool {
	jump := slices.Index(rule, "-j")
	return jump >= 0 && jump+1 < len(rule) && clusterChain(rule[jump+1])
}

// hasClusterChains returns whether any node has rules on this machine.
func hasClusterChains(ctx context.Context) (bool, error) {
	saved, err := exec.CommandContext(ctx, "iptables-save").Output()
	if err != nil {
		return false, fmt.Errorf("list packet filter rules: %w", err)
	}
	return removalScript(string(saved)) != "", nil
}

func removeClusterChains(ctx context.Context) error {
	var failures error
	for _, family := range []string{"iptables", "ip6tables"} {
		saved, err := exec.CommandContext(ctx, family+"-save").Output()
		if err != nil {
			if family == "iptables" {
				failures = errors.Join(failures, fmt.Errorf("list packet filter rules: %w", err))
			}
			continue // a kernel without IPv6 has nothing to list
		}
		if script := removalScript(string(saved)); script != "" {
			failures = errors.Join(failures, runWithInput(ctx, script, family+"-restore", "--noflush"))
		}
	}
	return failures
}
