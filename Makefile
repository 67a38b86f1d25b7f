# Thin on purpose: what takes more than a line is in scripts/.

MODULES = ./... ./cmd/sio/... ./test/...

.PHONY: all build vet lint check test fuzz bench api rename-check clean

all: build vet lint check

build:
	go build $(MODULES)

vet:
	go vet $(MODULES)

# Formatting, the rules of internal/archtest, and staticcheck if it can be had.
lint:
	scripts/lint

# What needs nothing but Go, quickly.
check:
	go test -short -race ./... ./cmd/sio/...

# Everything, in all modules and languages. Installs what is missing; see CONTRIBUTING.md.
test:
	scripts/test

# Each fuzz target for FUZZTIME (default 10m); FUZZ=regexp picks some.
fuzz:
	scripts/fuzz

bench:
	go test -run '^$$' -bench . -benchmem ./...

# Accepts the exported API as it is now.
api:
	go test ./internal/archtest -run TestAPI -update

rename-check:
	scripts/check-rename

clean:
	rm -rf bin out
	go clean -testcache
