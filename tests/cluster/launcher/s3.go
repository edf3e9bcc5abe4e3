package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"
)

type s3Options struct {
	host    string
	tls     bool
	buckets []string
}

// s3Info is the line of JSON a ready S3 server prints.
type s3Info struct {
	Ready     bool     `json:"ready"`
	Endpoint  string   `json:"endpoint"`
	Region    string   `json:"region"`
	AccessKey string   `json:"access_key"`
	SecretKey string   `json:"secret_key"`
	Buckets   []string `json:"buckets"`
	// CAFile is the authority of an https endpoint.
	CAFile    string         `json:"ca_file,omitempty"`
	Data      string         `json:"data"`
	Directory string         `json:"dir"`
	Logs      string         `json:"logs"`
	Pids      map[string]int `json:"pids"`
}

func startS3(ctx context.Context, s *supervisor, options s3Options) (*s3Info, error) {
	program, err := sibling("versitygw")
	if err != nil {
		return nil, err
	}
	info := &s3Info{
		Ready:     true,
		Region:    "us-east-1",
		AccessKey: "test",
		SecretKey: rand.Text(),
		Buckets:   options.buckets,
		Data:      s.dir.path("s3", "data"),
		Directory: string(s.dir),
		Logs:      s.dir.path("logs"),
	}
	err = s.onFreePorts(1, options.host, func(ports []int) error {
		address := net.JoinHostPort(options.host, strconv.Itoa(ports[0]))
		info.Endpoint = "http://" + address
		// What S3 keeps beside an object's bytes lies outside the data, where it needs no extended attributes.
		attributes := s.dir.path("s3", "attributes")
		for _, directory := range append(bucketDirectories(info.Data, options.buckets), attributes) {
			if err := os.MkdirAll(directory, 0o755); err != nil {
				return fmt.Errorf("make directory of the S3 server: %w", err)
			}
		}
		flags := []string{"--port", address, "--region", info.Region}
		client := &http.Client{Timeout: 5 * time.Second}
		if options.tls {
			ca, err := newAuthority(s.dir.path("pki"), "ca")
			if err != nil {
				return err
			}
			if err := ca.issue("s3", identity{name: "s3", hosts: []string{"localhost", options.host}}); err != nil {
				return err
			}
			info.Endpoint = "https://" + address
			info.CAFile = s.dir.path("pki", "ca.crt")
			flags = append(flags, "--cert", s.dir.path("pki", "s3.crt"), "--key", s.dir.path("pki", "s3.key"))
			client.Transport = trusting(ca)
		}
		flags = append(flags, "posix", "--sidecar", attributes, info.Data)
		keys := []string{"ROOT_ACCESS_KEY=" + info.AccessKey, "ROOT_SECRET_KEY=" + info.SecretKey}
		if err := s.start("s3", keys, program, flags...); err != nil {
			return err
		}
		return s.await(ctx, "the S3 server", 30*time.Second, func(ctx context.Context) error {
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, info.Endpoint, nil)
			if err != nil {
				return err
			}
			// Any answer will do: without a signature it is a refusal.
			response, err := client.Do(request)
			if err != nil {
				return err
			}
			return response.Body.Close()
		})
	})
	if err != nil {
		return nil, err
	}
	info.Pids = s.pids()
	return info, nil
}

// bucketDirectories: a directory is a bucket of the root account.
func bucketDirectories(data string, buckets []string) []string {
	directories := []string{data}
	for _, bucket := range buckets {
		directories = append(directories, data+"/"+bucket)
	}
	return directories
}
