package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// authority signs the certificates of one run directory. Its files are NAME.crt and NAME.key in the directory.
type authority struct {
	directory   string
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// identity is the subject of a certificate. Kubernetes reads the common name as the user and organizations as groups.
type identity struct {
	name   string
	groups []string
	// hosts makes it a server's certificate too: names and addresses.
	hosts []string
}

const validity = 10 * 365 * 24 * time.Hour

func newAuthority(directory, name string) (*authority, error) {
	if err := os.MkdirAll(directory, 0o700); err != nil {
		return nil, fmt.Errorf("make directory of keys: %w", err)
	}
	a := &authority{directory: directory}
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: name},
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	var err error
	a.certificate, a.key, err = a.write(name, template)
	return a, err
}

// issue writes FILE.crt and FILE.key.
func (a *authority) issue(file string, subject identity) error {
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: subject.name, Organization: subject.groups},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	for _, host := range subject.hosts {
		if address := net.ParseIP(host); address != nil {
			template.IPAddresses = append(template.IPAddresses, address)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	if len(subject.hosts) > 0 {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	_, _, err := a.write(file, template)
	return err
}

// write makes a key, signs template with the authority (or with itself, when it is the authority's own) and writes both.
func (a *authority) write(file string, template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	failed := func(err error) (*x509.Certificate, *ecdsa.PrivateKey, error) {
		return nil, nil, fmt.Errorf("make certificate %q: %w", file, err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return failed(err)
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)); err != nil {
		return failed(err)
	}
	template.NotBefore = time.Now().Add(-time.Hour)
	template.NotAfter = time.Now().Add(validity)
	parent, signer := a.certificate, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		return failed(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return failed(err)
	}
	if err := writePEM(filepath.Join(a.directory, file+".crt"), "CERTIFICATE", der); err != nil {
		return failed(err)
	}
	if err := writeKey(filepath.Join(a.directory, file+".key"), key); err != nil {
		return failed(err)
	}
	return certificate, key, nil
}

// writeSigningPair writes the pair that signs service account tokens, NAME.key and NAME.pub.
func writeSigningPair(directory, name string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make key %q: %w", name, err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return fmt.Errorf("make key %q: %w", name, err)
	}
	if err := writePEM(filepath.Join(directory, name+".pub"), "PUBLIC KEY", public); err != nil {
		return err
	}
	return writeKey(filepath.Join(directory, name+".key"), key)
}

func writeKey(path string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return writePEM(path, "EC PRIVATE KEY", der)
}

func writePEM(path, kind string, der []byte) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}

// trusting is an HTTP transport that trusts the authority and no other.
func trusting(a *authority) *http.Transport {
	pool := x509.NewCertPool()
	pool.AddCert(a.certificate)
	return &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}
}
