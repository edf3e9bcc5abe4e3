# Everything a developer, CI or a newcomer runs. `make help` lists it.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# Tests and the test image share the dev artefacts: the host's own triple is named, so that procedural macros and build
# scripts are not linked statically, and on Linux the binaries are static, so that they run in an image FROM scratch.
export CARGO_BUILD_TARGET ?= $(shell rustc -vV | sed -n 's/^host: //p')
ifeq ($(shell uname -s),Linux)
export RUSTFLAGS ?= -C target-feature=+crt-static
endif

include tests/cluster/cluster.mk

.PHONY: help
help: ## list what can be made
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F':.*## ' '{ printf "  %-18s %s\n", $$1, $$2 }'

# What the image is built from. Tests use their own build (PROFILE=dev), the demo a quick one (PROFILE=demo), others the release.
PROFILE ?= release
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
IMAGE ?= velero-rs:v$(VERSION)
IMAGE_DIR ?= $(CARGO_TARGET)/image
IMAGE_FILE ?= $(IMAGE_DIR)/velero-rs.tar

CARGO_TARGET = $(or $(CARGO_TARGET_DIR),target)
# Cargo's directory of the profile `dev` is `debug`.
BINARIES ?= $(CARGO_TARGET)/$(CARGO_BUILD_TARGET)/$(patsubst dev,debug,$(PROFILE))

## --- build -----------------------------------------------------------------------------------------------------------

.PHONY: build
build: ## build the binaries (dev profile)
	cargo build --workspace

.PHONY: release
release: ## build the static release binary for the image
	cargo build --release --bin velero

.PHONY: program
program: # the static binary that the image holds
	cargo build --profile $(PROFILE) --bin velero

.PHONY: image
image: program ## build the image (as a docker-archive): make image IMAGE=name:tag PROFILE=release
	@$(MAKE) --no-print-directory image-context
	@$(LAUNCHER) image build --file Dockerfile --context $(IMAGE_DIR)/context --tag $(IMAGE) --output $(IMAGE_FILE)
	@du -h $(IMAGE_FILE) | awk '{ print "its size is " $$1 "B" }'

# The roots of trust are those of the distribution's package, never those of this machine, which may have others of its
# owner's.
AUTHORITIES := /usr/share/ca-certificates/mozilla

.PHONY: image-context
image-context: # what the Dockerfile copies
	@ls $(AUTHORITIES)/*.crt >/dev/null 2>&1 || { echo "$(AUTHORITIES) has no certificates: install the package ca-certificates" >&2; exit 1; }
	@rm -rf $(IMAGE_DIR)/context && mkdir -p $(IMAGE_DIR)/context
	@install -m 755 $(BINARIES)/velero $(IMAGE_DIR)/context
	@cat $(AUTHORITIES)/*.crt > $(IMAGE_DIR)/context/ca-certificates.crt

.PHONY: image-facts
image-facts: # its name, its file, the program inside
	@echo $(IMAGE) $(IMAGE_FILE) $(BINARIES)/velero

.PHONY: demo
demo: ## back up a shop on a real node, delete it, restore it (Debian 12, root; the first build takes minutes)
	@demo/run

## --- generated text --------------------------------------------------------------------------------------------------

.PHONY: crds
crds: manifests ## write the custom resource definitions from the Rust types (and all else that is generated)

.PHONY: manifests
manifests: ## write manifests/ from the Rust code
	cargo run --quiet -p crd-gen -- manifests

.PHONY: verify
verify: ## fail if a generated file differs from the code
	cargo run --quiet -p crd-gen -- --check manifests

## --- checks ----------------------------------------------------------------------------------------------------------

.PHONY: fmt
fmt: ## format the Rust and Go sources
	cargo fmt --all
	gofmt -w $$(git ls-files '*.go')

.PHONY: lint
lint: cluster-check deny framework ## formatting, clippy with warnings denied, what is in the dependency graph
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --all-features -- -D warnings

.PHONY: framework
framework: export K8S_OPENAPI_ENABLED_VERSION = 1.35
framework: export RUSTDOCFLAGS = -D warnings
framework: ## the framework by itself: without its optional parts, and its documentation
	cargo check -p kube-manager --no-default-features
	cargo doc -p kube-manager --no-deps --all-features

.PHONY: deny
deny: ## licences, bans and sources of dependencies (builds cargo-deny the first time)
	"$$(tests/tools/cargo-deny)" --log-level error check bans licenses sources

## --- tests -----------------------------------------------------------------------------------------------------------

.PHONY: test
test: ## all tests: starts the control plane and the S3 server they need, and stops them
	tests/run

.PHONY: test-long
test-long: ## the sweeps and soaks that are too long for every change
	tests/run --long

.PHONY: bench
bench: ## what a backup and a restore cost, as ratios to floors measured in the same run (minutes; see bench/main.rs)
	bench/run
