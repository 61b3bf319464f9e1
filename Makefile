# make help lists what there is.
SHELL := /bin/bash
.DEFAULT_GOAL := help
BIN := bin/orchestron
LINTER := bin/golangci-lint
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
ARCH := $(shell uname -s | tr A-Z a-z)-$(shell uname -m | sed 's/x86_64/x64/;s/aarch64/arm64/')
CLAUDE := $(CURDIR)/e2e/node_modules/@anthropic-ai/claude-code-$(ARCH)/claude
MODULES := $(CURDIR)/e2e/node_modules
VENDORS = ORCHESTRON_CODEX=$$(ls $(MODULES)/@openai/codex-$(ARCH)/vendor/*/bin/codex) \
	ORCHESTRON_OPENCODE=$(MODULES)/opencode-$(ARCH)/bin/opencode ORCHESTRON_GEMINI=$(MODULES)/.bin/gemini
GO_TEST := go test -timeout 28m -count=1
DEMO :=

.PHONY: help
help: ## show this help
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | sort | expand -t 16

.PHONY: build
build: ## build bin/orchestron
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o $(BIN) ./cmd/orchestron

.PHONY: install
install: build ## install orchestron where go install puts programs
	to=$$(go env GOBIN); to=$${to:-$$(go env GOPATH)/bin}; mkdir -p "$$to" && install -m 755 $(BIN) "$$to/orchestron" && echo "$$to/orchestron"

.PHONY: demo
demo: needs build ## lead a team of three through a small job; DEMO='-driver scripted' never uses Claude Code
	go run ./e2e/demo -program $(CURDIR)/$(BIN) $(DEMO)

.PHONY: test
test: needs-test lint race e2e conformance ## run everything, with real tmux, git, SQLite and Claude Code

.PHONY: needs
needs: ## install or name the programs that Orchestron needs
	@./tools/needs.sh tmux git

.PHONY: needs-test
needs-test: needs e2e/node_modules/.installed ## install what the tests need besides

e2e/node_modules/.installed: e2e/package-lock.json
	@./tools/needs.sh npm gcc # the race detector needs a C compiler
	cd e2e && npm ci --no-audit --no-fund --loglevel=error
	@test -x $(CLAUDE) || { echo "$(CLAUDE) is not there: is there a Claude Code for $(ARCH)?" >&2; exit 1; }
	@touch $@

.PHONY: unit
unit: ## tests of each package, quick
	go test -short $$(go list ./... | grep -v /e2e)

.PHONY: race
race: needs-test ## tests of each package, all of them, with the race detector
	ORCHESTRON_TEST_CLAUDE=$(CLAUDE) $(GO_TEST) -race $$(go list ./... | grep -v /e2e)

.PHONY: e2e
e2e: needs-test ## the built program with real agents
	ORCHESTRON_TEST_CLAUDE=$(CLAUDE) ORCHESTRON_CLAUDE=$(CLAUDE) $(VENDORS) $(GO_TEST) ./e2e ./e2e/board

.PHONY: conformance
conformance: ## the official MCP conformance suite against the built program
	$(MAKE) -C e2e/conformance

.PHONY: lint
lint: $(LINTER) ## format and lint, for Linux and macOS
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$unformatted" || { echo "gofmt: $$unformatted" >&2; exit 1; }
	go vet ./...
	GOOS=darwin go vet ./...
	GOLANGCI_LINT_CACHE=$(CURDIR)/bin/lint-cache $(LINTER) run ./... # a cache for two checkouts mixes them up

$(LINTER): tools/go.mod tools/go.sum
	cd tools && go build -o ../$(LINTER) github.com/golangci/golangci-lint/v2/cmd/golangci-lint

.PHONY: check
check: lint race ## what to run before a push

.PHONY: bench
bench: needs-test build ## print the table of speed and memory, with the bars
	ORCHESTRON_CLAUDE=$(CLAUDE) go run ./e2e/bench -program $(CURDIR)/$(BIN)
