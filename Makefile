# Every step has its one place here. `make` lists them; .ci/run calls `make test`.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help build image image-check release release-check release-push release-sign demo bench bench-leader test suites repeat clients browser control-plane generate generated doc-outputs lint tools test-matrix

# Property tests try the same cases on every machine; PROPTEST_RNG_SEED=$RANDOM tries others.
export PROPTEST_RNG_SEED ?= 1

# Tests with a cluster wait more than they compute, so that more of them than there are cores run at once.
export RUST_TEST_THREADS ?= 5

# A chart can hold only files below it.
CRDS := crds charts/meta-channel-operator-admin/files/crds
POLICIES := config/admission/policies charts/meta-channel-operator-admin/files/policies

# All programs are built with the features that the tests are built with, so that nothing is compiled twice.
BUILD := cargo build --locked --workspace --bins
BIN = $$(cargo metadata --locked --no-deps --format-version=1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/debug

# Writes the README of each chart from README.md.gotmpl and the comments of values.yaml.
HELM_DOCS = "$$("$(BIN)/control-plane" helm-docs)" --template-files=README.md.gotmpl --sort-values-order=file --log-level=warning

# What the programs say that they were built from.
COMMIT_HERE = "$$(git describe --always --dirty --abbrev=40 --exclude='*' 2>/dev/null || echo unknown)"

help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | while IFS=$$'\t' read -r name text; do printf '  make %-14s %s\n' "$$name" "$$text"; done

build: ## Build the release binary, with the command of the Dockerfile
	META_CHANNEL_OPERATOR_COMMIT=$(COMMIT_HERE) cargo build --release --locked --package meta-channel-operator

image: ## Build the images of operator and sandbox for amd64 and arm64 into target/image, without a container engine; PLATFORMS=amd64 builds fewer
	$(BUILD)
	hack/image/build.sh target/image "$$("$(BIN)/control-plane" image)"

image-check: release ## Install charts and images of a release from a registry on this machine and see the samples connected, without a container engine; run what is for arm64 in an emulator
	cargo test --locked --package meta-channel-operator --test packaging image:: -- --ignored $(if $(filter arm64,$(or $(PLATFORMS),arm64)),,--skip arm64)

release-check: ## Fail if Cargo.toml and the charts disagree on the version, or with TAG=vVERSION, which needs its section of the changelog
	hack/release/check.py $${TAG:+--tag "$$TAG"}

release: release-check image ## Lay out in target/dist what a release publishes: TAG=vVERSION, or a rehearsal without
	hack/release/build.sh target/dist target/image "$$("$(BIN)/control-plane" helm)"

release-push: ## Push images and charts of target/dist to REGISTRY=HOST/FOLDER, and write their digests to target/pushed.sha256
	hack/release/push.sh "$(REGISTRY)" target/dist target/pushed.sha256

release-sign: ## Sign what `make release-push` pushed, with cosign and the identity of the workflow that runs it
	hack/release/sign.sh target/dist target/pushed.sha256

demo: ## Run control plane, Graph sandbox, operator and three channels until Ctrl-C; CHECK=1 ends once they have settled
	$(BUILD)
	@exec "$(BIN)/demo" $(if $(filter-out 0,$(CHECK)),--check)

# The benches, as optimized as what they measure: they share the machine with it.
BENCH := cargo build --release --locked --package testkit --bin bench
RELEASED := target/release/meta-channel-operator

bench: $(if $(OPERATOR),,build) ## Measure N channels (2,000 if not said) phase by phase, into target/bench.json; OPERATOR=FILE (of COMMIT=ID) measures another build, COMPARE=FILE fails if a figure is worse than there
	$(BENCH)
	exec target/release/bench phases --channels "$(or $(N),2000)" --out target/bench.json \
	  --operator "$(or $(OPERATOR),$(RELEASED))" \
	  --commit "$(or $(COMMIT),$(if $(OPERATOR),unknown,$$(git describe --always --dirty --abbrev=12)))" \
	  $(if $(COMPARE),--compare "$(COMPARE)")

bench-leader: build ## Measure whether a leader stays with N channels of one grant (10,000 if not said), applied before it starts
	$(BENCH)
	exec target/release/bench leader --operator $(RELEASED) --channels "$(or $(N),10000)"

test: ## Check everything, as CI does; what fails keeps nothing else from being checked
	@exec env MAKE="$(MAKE)" hack/test.sh tools lint generated control-plane clients suites

suites: ## Run the tests in Rust
	cargo test --locked --workspace --no-fail-fast

# The older minor versions of Kubernetes that there are modules of, and the current one.
MINORS ?= $(sort $(patsubst hack/kubernetes-%/go.mod,%,$(wildcard hack/kubernetes-*/go.mod))) \
  $(shell sed -n 's|^\tk8s.io/kubernetes v\([0-9]*\.[0-9]*\)\..*|\1|p' hack/control-plane/go.mod)

test-matrix: ## Run tests on API servers of each supported minor version of Kubernetes (builds them once, takes minutes each); MINORS="1.32 1.36" chooses, RECORD=1 writes the outcome into docs/kubernetes-versions.md
	$(BUILD)
	@exec env CONTROL_PLANE="$(BIN)/control-plane" PAGE=$(if $(filter-out 0,$(RECORD)),docs/kubernetes-versions.md) hack/test-matrix.sh $(MINORS)

repeat: ## Run the tests in tests/cluster N times beside LOAD busy loops (10 and 0 if not said), and say which failed how often
	@exec hack/repeat.sh "$(or $(N),10)" "$(or $(LOAD),0)"

clients: ## Run Graph clients of others, in Python and JavaScript, against the Graph sandbox
	$(BUILD)
	exec graph-sandbox/clients/run.sh "$(BIN)/graph-sandbox"

browser: ## Authorize again in a headless Chromium, as `make test` does; PICTURES=DIRECTORY keeps what the person sees
	cargo test --locked --test binary browser

control-plane: ## Build etcd, kube-apiserver, kube-controller-manager, kubectl, helm and what judges manifests (once, takes minutes) and print where they are
	$(BUILD)
	@"$(BIN)/control-plane"

generate: ## Write the CRDs from the Rust types, and from them and the values what the charts say of them
	$(BUILD)
	for directory in $(CRDS); do "$(BIN)/meta-channel-operator" crds --dir "$$directory"; done
	UPDATE_POLICIES=1 cargo test --locked --package meta-channel-operator --test packaging the_policy_of_webhook_fields
	cp $(firstword $(POLICIES))/*.yaml $(lastword $(POLICIES))
	UPDATE_CHARTS=1 cargo test --locked --package meta-channel-operator --test packaging the_schema_knows_the_fields
	$(HELM_DOCS) --chart-search-root=charts

generated: ## Fail if `make generate` would change something
	$(BUILD)
	@fresh=$$(mktemp -d); trap 'rm -rf "$$fresh"' EXIT; \
	"$(BIN)/meta-channel-operator" crds --dir "$$fresh"; \
	for directory in $(CRDS); do \
	  diff --recursive --unified --exclude=kustomization.yaml "$$directory" "$$fresh" || { echo "$$directory is out of date: run make generate" >&2; exit 1; }; \
	done; \
	cargo test --locked --package meta-channel-operator --test packaging the_policy_of_webhook_fields; \
	diff --recursive --unified $(POLICIES) || { echo "the chart's policies are out of date: run make generate" >&2; exit 1; }; \
	cp -r charts "$$fresh/"; $(HELM_DOCS) --chart-search-root="$$fresh/charts"; \
	diff --recursive --unified charts "$$fresh/charts" || { echo "charts is out of date: run make generate" >&2; exit 1; }

doc-outputs: ## Write what kubectl shows into docs/kubectl.md; the tests compare it
	UPDATE_DOCS=1 cargo test --locked --package meta-channel-operator --test cluster doc_outputs

lint: tools ## Check format, clippy's lints, dependencies, the Dockerfile and the workflows
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- --deny warnings
	hack/lint/run.sh

tools: ## Install the toolchain and components of rust-toolchain.toml where they are missing
	@cargo fmt --version >/dev/null 2>&1 && cargo clippy --version >/dev/null 2>&1 || rustup toolchain install
