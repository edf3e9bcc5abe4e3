package main

import (
	"slices"
	"testing"
)

func TestMountsAreListedLatestFirstAndOnlyThoseOfTheDirectory(t *testing.T) {
	mountinfo := `27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
40 27 254:0 /x /run/cluster/kubelet rw shared:1 - ext4 /dev/vda rw
41 40 0:50 / /run/cluster/kubelet/pods/a\040b rw - tmpfs tmpfs rw
42 27 0:51 / /run/cluster-other rw - tmpfs tmpfs rw
43 40 0:52 / /run/cluster/kubelet/pods/a\040b rw - tmpfs tmpfs rw
`
	want := []string{"/run/cluster/kubelet/pods/a b", "/run/cluster/kubelet/pods/a b", "/run/cluster/kubelet"}
	if got := parseMounts(mountinfo, "/run/cluster"); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestMountPointsAreUnescaped(t *testing.T) {
	for field, want := range map[string]string{`/a`: `/a`, `/a\040b`: `/a b`, `/a\134`: `/a\`, `/a\04`: `/a\04`, `/a\999`: `/a\999`} {
		if got := unescapeMount(field); got != want {
			t.Errorf("%q became %q, want %q", field, got, want)
		}
	}
}
