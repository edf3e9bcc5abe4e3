package main

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// The ports handed out lie below the kernel's range for outgoing connections and below node ports (30000 up), so only
// another launcher can take one between its choice and its use.
const firstPort, lastPort = 20000, 29999

// freePorts chooses n different ports that are free on host.
func freePorts(n int, host string) ([]int, error) {
	return choosePorts(n, rand.IntN, func(port int) bool {
		listener, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		if err != nil {
			return false
		}
		listener.Close()
		return true
	})
}

func choosePorts(n int, random func(int) int, free func(int) bool) ([]int, error) {
	const tries = 1000
	var ports []int
	taken := map[int]bool{}
	for range tries {
		if len(ports) == n {
			return ports, nil
		}
		port := firstPort + random(lastPort-firstPort+1)
		if !taken[port] && free(port) {
			ports = append(ports, port)
		}
		taken[port] = true
	}
	return nil, fmt.Errorf("find %d free ports between %d and %d: only %d in %d tries; what listens on this machine?", n, firstPort, lastPort, len(ports), tries)
}
