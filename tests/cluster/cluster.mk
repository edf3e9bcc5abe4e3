# The test cluster, for the top Makefile to include. Every expansion of a program's path builds it first if need be.

test_cluster := $(dir $(lastword $(MAKEFILE_LIST)))

# Which programs are wanted: arguments of the build script.
CLUSTER_PROGRAMS ?=

TEST_CLUSTER_BIN = $(or $(shell $(test_cluster)build $(CLUSTER_PROGRAMS)),$(error the programs of the test cluster did not build))
NODE = $(TEST_CLUSTER_BIN)/node
LAUNCHER = $(TEST_CLUSTER_BIN)/launcher

CLUSTER_DIR ?= run/cluster
CONTROL_PLANE_DIR ?= run/control-plane
S3_DIR ?= run/s3

.PHONY: cluster cluster-down control-plane control-plane-down s3 s3-down cluster-programs cluster-check

cluster: ## start a Kubernetes node (Debian, root; the first build takes minutes)
	@$(LAUNCHER) cluster up --dir $(CLUSTER_DIR) >/dev/null

cluster-down: ## stop the Kubernetes node and remove every trace of it
	@$(LAUNCHER) cluster down --dir $(CLUSTER_DIR)

control-plane: ## start an API server alone, on loopback
	@$(LAUNCHER) control-plane up --dir $(CONTROL_PLANE_DIR) --controller-manager

control-plane-down: ## stop the API server
	@$(LAUNCHER) control-plane down --dir $(CONTROL_PLANE_DIR)

s3: ## start an S3 server, on loopback
	@$(LAUNCHER) s3 up --dir $(S3_DIR)

s3-down: ## stop the S3 server and remove what it holds
	@$(LAUNCHER) s3 down --dir $(S3_DIR)

cluster-programs: ## build the programs of the test cluster, print their directory
	@$(test_cluster)build $(CLUSTER_PROGRAMS)

cluster-check: ## format, vet and test the test cluster's own code
	@cd $(test_cluster) && unformatted=$$(gofmt -l .) && [ -z "$$unformatted" ] || { echo "gofmt: $$unformatted" >&2; exit 1; }
	@cd $(test_cluster) && go vet ./launcher ./pause ./admission && go test ./launcher # vetting node means all of Kubernetes
