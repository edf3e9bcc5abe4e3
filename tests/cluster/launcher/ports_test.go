package main

import (
	"slices"
	"testing"
)

func TestPortsDifferAndAreFree(t *testing.T) {
	draws := []int{5, 5, 6, 7}
	draw := func(int) int {
		next := draws[0]
		draws = draws[1:]
		return next
	}
	got, err := choosePorts(2, draw, func(port int) bool { return port != firstPort+6 })
	if want := []int{firstPort + 5, firstPort + 7}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v and error %v, want %v", got, err, want)
	}
}

func TestSearchForPortsEndsWhenNoneIsFree(t *testing.T) {
	if ports, err := choosePorts(1, func(int) int { return 0 }, func(int) bool { return false }); err == nil {
		t.Errorf("got %v", ports)
	}
}

func TestPortsLieInTheirRange(t *testing.T) {
	for _, extreme := range []func(int) int{func(int) int { return 0 }, func(n int) int { return n - 1 }} {
		ports, err := choosePorts(1, extreme, func(int) bool { return true })
		if err != nil || ports[0] < firstPort || ports[0] > lastPort {
			t.Errorf("got %v and error %v", ports, err)
		}
	}
}
