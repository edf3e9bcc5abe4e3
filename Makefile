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

## --- build -----------------------------------------------------------------------------------------------------------

.PHONY: build
build: ## build the binaries (dev profile)
	cargo build --workspace

.PHONY: release
release: ## build the static release binaries for the image
	cargo build --release --bins

## --- generated text --------------------------------------------------------------------------------------------------

.PHONY: crds
crds: ## write manifests/crds from the Rust types
	cargo run --quiet -p crd-gen -- manifests/crds

.PHONY: verify
verify: ## fail if anything generated differs from what the code says
	cargo run --quiet -p crd-gen -- --check manifests/crds

## --- checks ----------------------------------------------------------------------------------------------------------

.PHONY: fmt
fmt: ## format the Rust and Go sources
	cargo fmt --all
	gofmt -w $$(git ls-files '*.go')

.PHONY: lint
lint: cluster-check deny ## formatting, clippy with warnings denied, what is in the dependency graph
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --all-features -- -D warnings

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
