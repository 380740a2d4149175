# What a person and CI run. `make help` lists the targets.
#
# The repository holds several Go modules, and ./... stops at the border of a nested one. So every target loops over
# all of them, found by their go.mod; a new one needs no line here. Each runs in its own directory with GOWORK=off,
# because that is how a user's build sees it: go.work must not lend it a dependency that its go.mod forgot.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

MODULES := $(sort $(patsubst %/go.mod,%,$(shell find . -name go.mod -not -path '*/.*' -not -path '*/testdata/*')))

# Tools that go.mod does not know. CI installs exactly these; raise a version here and nowhere else.
GOLANGCI_LINT := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
GOVULNCHECK   := golang.org/x/vuln/cmd/govulncheck@v1.9.0
TOOLS          = $(shell go env GOPATH)/bin

# The race detector needs cgo, hence a C compiler. Without one the tests still say something, but less.
RACE = $(shell [ "$$(go env CGO_ENABLED)" = 1 ] && command -v "$$(go env CC | cut -d' ' -f1)" >/dev/null && echo -race)

# A test that hangs is stopped and shows its goroutines well before the run's own limit.
TESTFLAGS ?= -timeout=4m
FUZZTIME  ?= 20s
SOAK      ?= 60s
BENCH     ?= .
COUNT     ?= 1
# Of make bench: rounds of each comparison, seconds of load a target and round, and the suites to run (empty: all).
ROUNDS    ?= 9
SECONDS   ?= 1
ONLY      ?=
# Of make bench-diff: the revision to compare the work tree with; empty: where the branch began, else the last commit.
BASE      ?=
# A file for the event stream of `make test`; empty: none is kept.
JSON      ?=

# $(call each,COMMAND) runs COMMAND in every module, to the last one, and fails if it failed in any.
each = status=0; for m in $(MODULES); do (cd $$m && export GOWORK=off && $(1)) || { echo "make: failed in $$m" >&2; status=1; }; done; exit $$status

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "  Modules: $(MODULES)"

# go vet runs whole, not only the part of it that go test runs. The event stream is what the closing line counts.
.PHONY: test
test: ## Build, vet and test every module, with -race if there is a C compiler (JSON=file keeps the events)
	@$(if $(RACE),:,echo '!!! NO C COMPILER: the tests run WITHOUT the race detector !!!' >&2)
	@{ $(call each,{ status=0; go build ./... || status=1; go vet ./... || status=1; \
	     go test -json $(RACE) $(TESTFLAGS) ./... || status=1; exit $$status; }); } \
	   | tee $(if $(JSON),'$(abspath $(JSON))',/dev/null) | go run ./internal/tools/testsum
	@if [ -f go.work ]; then go build -o /dev/null ./examples/echo-api; fi

# The race detector makes sync.Pool forget at random and memory larger, so what counts either has to run without it.
.PHONY: exact
exact: ## Run what counts allocations and heap bytes, which the race detector would blur
	@$(call each,go test -run='Alloc|I8' ./... | { grep -v 'no test' || true; })

# Alone and without the race detector, because it measures time. It holds a hit to bare Echo in the same process.
.PHONY: guard
guard: ## Fail if a hit costs much more of bare Echo's time than it did
	@GOWORK=off GUARD=1 go test -count=1 -v -run='Guard' ./middleware | grep -v '^=== '

# The everyday run takes 5 s of it. What the race detector costs is better spent on more reads.
.PHONY: soak
soak: ## Judge a fleet over a real Redis while everything fails, for SOAK (60s)
	@GOWORK=off go test -count=1 -timeout=0 -v -run='I1_' ./internal/soak -soak=$(SOAK) | grep -v '^=== '

# Each mutant is a build of its own, so the everyday run goes without.
.PHONY: mutants
mutants: ## Break the source in one way at a time, and want the tests to notice
	@GOWORK=off MUTANTS=1 go test -count=1 -timeout=20m -run='MutantsOfTheSource' ./output ./store ./store/redisstore ./store/tiered ./breaker

.PHONY: lint
lint: ## Lint every module (needs `make tools` once)
	@test -x $(TOOLS)/golangci-lint || { echo 'golangci-lint is missing: make tools' >&2; exit 1; }
	@$(call each,echo "lint $$m" && $(TOOLS)/golangci-lint run --config '$(CURDIR)/.golangci.yml' ./...)

.PHONY: fuzz
fuzz: ## Fuzz every target of every package for FUZZTIME each (20s)
	@.ci/fuzz $(FUZZTIME) $(MODULES)

# Servers and load run on this machine, which should have nothing else to do. ROUNDS=1 shows in two minutes that all works.
.PHONY: bench
bench: ## Compare with bare Echo and other caches, and write docs/BENCHMARKS.md (ROUNDS=9 SECONDS=1, some 15 minutes)
	@cd bench && GOWORK=off go run ./compare -rounds $(ROUNDS) -seconds $(SECONDS) -only '$(ONLY)' -root .. \
	  $(if $(JSON),-results '$(abspath $(JSON))') -doc ../docs/BENCHMARKS.md

.PHONY: bench-go
bench-go: ## Run the root module's own benchmarks (BENCH=regexp, COUNT=10 for benchstat)
	@GOWORK=off go test -run='^$$' -bench='$(BENCH)' -benchmem -count=$(COUNT) ./...

.PHONY: bench-diff
bench-diff: ## Compare the hot path of the work tree with that of BASE, by benchstat (ROUNDS=9)
	@bench/diff '$(BASE)' $(ROUNDS)

.PHONY: cover
cover: ## Write cover/*.out and print each module's coverage
	@mkdir -p cover
	@$(call each,out='$(CURDIR)'/cover/$$(basename "$$PWD").out && go test $(TESTFLAGS) -coverpkg=./... -coverprofile="$$out" ./... >/dev/null && go tool cover -func="$$out" | sed -n '$$s|^total:|'$$m'|p')

.PHONY: tidy
tidy: ## Run go mod tidy in every module
	@$(call each,go mod tidy)

.PHONY: format
format: ## Rewrite the sources as gofmt would
	@find . -name '*.go' -not -path '*/testdata/*' -print0 | xargs -0 gofmt -w

.PHONY: run
run: ## Run the example shop (through go.work)
	@go run ./examples/echo-api

# It wants a quiet machine and 8 GiB: it builds caches of up to two million pages. The tables go into docs/SCALING.md.
.PHONY: growth
growth: ## Measure what grows with what, and write the tables of docs/SCALING.md
	@GOWORK=off go test -count=1 -timeout=0 -v -run='TestGrowth$$' ./internal/growth -growth=docs/SCALING.md | grep --line-buffered -v '^=== '

.PHONY: outage
outage: ## Take Redis away from two shops under load, and show what users notice (OUTAGE_SECONDS=5 a phase)
	@cd examples/echo-api && GOWORK=off go run ./outage

# A binary of another version is replaced: a lint run that depends on the machine is worth nothing.
.PHONY: tools
tools: ## Install the pinned golangci-lint and govulncheck with `go install`
	@for tool in $(GOLANGCI_LINT) $(GOVULNCHECK); do \
	  bin=$(TOOLS)/$$(basename $${tool%@*}); \
	  have=$$(go version -m "$$bin" 2>/dev/null | awk '$$1 == "mod" { print $$3 }' || true); \
	  if [ "$$have" = "$${tool#*@}" ]; then echo "have $$tool"; else echo "install $$tool"; go install "$$tool"; fi; \
	done

# govulncheck asks a database on the network. -version names the day of the database only if it could be read; that is
# the probe, and it needs no address here.
.PHONY: vuln
vuln: ## Check every module for known vulnerabilities, if the database can be reached
	@if timeout 30 $(TOOLS)/govulncheck -version | grep '^DB updated'; then \
	  $(call each,echo "vuln $$m" && $(TOOLS)/govulncheck ./...); \
	else \
	  echo '!!! THE VULNERABILITY DATABASE CANNOT BE REACHED: nothing was checked !!!' >&2; \
	fi
