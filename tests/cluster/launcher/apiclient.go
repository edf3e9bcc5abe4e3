package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// apiClient asks the API server what readiness takes, as the administrator.
type apiClient struct {
	server string
	client *http.Client
}

func newAPIClient(server string, pki func(string) string) (*apiClient, error) {
	authorities := x509.NewCertPool()
	text, err := os.ReadFile(pki("ca.crt"))
	if err != nil {
		return nil, fmt.Errorf("read authority: %w", err)
	}
	authorities.AppendCertsFromPEM(text)
	admin, err := tls.LoadX509KeyPair(pki("admin.crt"), pki("admin.key"))
	if err != nil {
		return nil, fmt.Errorf("read administrator's certificate: %w", err)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: authorities, Certificates: []tls.Certificate{admin}}}
	return &apiClient{server: server, client: &http.Client{Transport: transport, Timeout: 5 * time.Second}}, nil
}

// get reads path into the value, which may be nil.
func (c *apiClient) get(ctx context.Context, path string, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.server+path, nil)
	if err != nil {
		return err
	}
	response, err := c.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", path, response.Status)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(body, into)
}

// exists returns a check for await: every path answers.
func (c *apiClient) exists(paths ...string) func(context.Context) error {
	return func(ctx context.Context) error {
		for _, path := range paths {
			if err := c.get(ctx, path, nil); err != nil {
				return err
			}
		}
		return nil
	}
}

// answers is a check for await: an endpoint without a certificate answers well.
func answers(url string) func(context.Context) error {
	client := &apiClient{server: url, client: &http.Client{Timeout: 5 * time.Second}}
	return client.exists("")
}

// writeKubeconfig writes a kubeconfig that needs no other file; its user is that of the certificate pki(user).crt.
func writeKubeconfig(path, server string, pki func(string) string, user string) error {
	var encoded [3]string
	for i, file := range []string{"ca.crt", user + ".crt", user + ".key"} {
		text, err := os.ReadFile(pki(file))
		if err != nil {
			return fmt.Errorf("write kubeconfig of %q: %w", user, err)
		}
		encoded[i] = base64.StdEncoding.EncodeToString(text)
	}
	return os.WriteFile(path, []byte(renderKubeconfig(server, user, encoded[0], encoded[1], encoded[2])), 0o600)
}

func renderKubeconfig(server, user, authority, certificate, key string) string {
	return fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: test
contexts:
- name: test
  context: {cluster: test, user: %[2]s}
clusters:
- name: test
  cluster:
    server: %[1]s
    certificate-authority-data: %[3]s
users:
- name: %[2]s
  user:
    client-certificate-data: %[4]s
    client-key-data: %[5]s
`, server, user, authority, certificate, key)
}
