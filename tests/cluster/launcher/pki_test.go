package main

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
)

func TestTheAdministratorAndTheAPIServerTrustEachOther(t *testing.T) {
	directory := t.TempDir()
	file := func(name string) string { return filepath.Join(directory, name) }
	ca, err := newAuthority(directory, "ca")
	if err != nil {
		t.Fatal(err)
	}
	for name, subject := range map[string]identity{
		"server": {name: "server", hosts: []string{"localhost", "127.0.0.1"}},
		"admin":  {name: "admin", groups: []string{"system:masters"}},
	} {
		if err := ca.issue(name, subject); err != nil {
			t.Fatal(err)
		}
	}
	pair, err := tls.LoadX509KeyPair(file("server.crt"), file("server.key"))
	if err != nil {
		t.Fatal(err)
	}
	clients := x509.NewCertPool()
	clients.AddCert(ca.certificate)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, request *http.Request) {
		if subject := request.TLS.PeerCertificates[0].Subject; subject.CommonName != "admin" || subject.Organization[0] != "system:masters" {
			t.Errorf("client is %v", subject)
		}
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: clients, ClientAuth: tls.RequireAndVerifyClientCert}
	server.StartTLS()
	defer server.Close()
	client, err := newAPIClient(server.URL, file)
	if err != nil {
		t.Fatal(err)
	}
	if err := client.exists("/readyz")(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestKubectlsScriptSurvivesBlanksAndQuotes(t *testing.T) {
	got := renderKubectl("/a b/node", "/it's")
	want := "#!/bin/sh\nKUBECONFIG='/it'\\''s/kubeconfig' KUBECACHEDIR='/it'\\''s/kubectl-cache' exec '/a b/node' kubectl \"$@\"\n"
	if got != want {
		t.Errorf("got %s", got)
	}
}
