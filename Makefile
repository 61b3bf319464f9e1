# make help lists what there is.
SHELL := /bin/bash
.DEFAULT_GOAL := help
BIN := bin/orchestron
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
E2E_CLAUDE := $(CURDIR)/e2e/node_modules/@anthropic-ai/claude-code-$(shell uname -s | tr A-Z a-z | sed s/darwin/darwin/)-$(shell uname -m | sed 's/x86_64/x64/;s/aarch64/arm64/')/claude
GO_TEST := go test -timeout 20m

.PHONY: help
help: ## show this help
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | sort | expand -t 16

.PHONY: build
build: ## build bin/orchestron
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o $(BIN) ./cmd/orchestron

.PHONY: demo
demo: needs build ## start Orchestron and lead a team of three through a small job in a git repository
	go run ./e2e/demo -program $(CURDIR)/$(BIN)

.PHONY: test
test: needs-test lint unit race e2e conformance ## run everything, with real tmux, git, SQLite and Claude Code

.PHONY: needs
needs: ## install or name the programs that Orchestron needs
	@./tools/needs.sh tmux git

.PHONY: needs-test
needs-test: needs e2e/node_modules/.installed ## install what the tests need besides

e2e/node_modules/.installed: e2e/package-lock.json
	cd e2e && npm ci --no-audit --no-fund --loglevel=error
	touch $@

.PHONY: unit
unit: ## unit and contract tests
	$(GO_TEST) ./...

.PHONY: race
race: ## the same packages with the race detector, without the long ones
	$(GO_TEST) -race -short $$(go list ./... | grep -v /e2e)

.PHONY: e2e
e2e: ## the built program with real agents
	ORCHESTRON_CLAUDE=$(E2E_CLAUDE) $(GO_TEST) -count=1 ./e2e ./internal/driver

.PHONY: conformance
conformance: ## the official MCP conformance suite against the built program
	$(MAKE) -C e2e/conformance

.PHONY: lint
lint: ## format and lint
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); exit 1; }
	go vet ./...
	cd tools && go build -o ../bin/golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint
	bin/golangci-lint run ./...

.PHONY: check
check: lint unit race ## what to run before a push

.PHONY: bench
bench: build ## print the table of speed and memory, with the bars
	ORCHESTRON_CLAUDE=$(E2E_CLAUDE) go run ./e2e/bench -program $(CURDIR)/$(BIN)
