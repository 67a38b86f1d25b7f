# Thin on purpose: what takes more than a line is in scripts/.

MODULES = ./... ./bench/... ./cmd/sio/... ./siowebtransport/... ./test/...

.PHONY: all build vet lint check test fuzz bench bench-check bench-million bench-hostile micro api recovery-model rename-check clean

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
	go test -short -race ./... ./cmd/sio/... ./siowebtransport/...

# Everything, in all modules and languages. Installs what is missing; see CONTRIBUTING.md.
test:
	scripts/test

# Each fuzz target for FUZZTIME (default 10m); FUZZ=regexp picks some.
fuzz:
	scripts/fuzz

# This server beside others: CPU and memory of each, measured in turn; see bench/README.md. Most of an hour.
bench:
	mkdir -p out
	go run ./bench -reps 5 -raw out/bench.json -o docs/benchmarks.md

# The short form, which fails when something costs about twice what it should.
bench-check:
	go run ./bench -check

# A million connections in one process, over a network in memory. Some minutes, and 12 GiB that nobody else needs.
bench-million:
	go run ./bench/million

# What a hundred hostile clients of each kind take, and what honest ones notice. Some six minutes.
bench-hostile:
	go run ./bench/hostile

# The benchmarks beside the code, but for those of hostile input, whose bounds are tests.
micro:
	go test -run '^$$' -bench . -skip Hostile -benchmem ./...

# Accepts the exported API as it is now.
api:
	go test ./internal/archtest -run TestAPI -update

# The model of connection state recovery in its larger form. Half an hour, and some gigabytes.
recovery-model:
	SIO_RECOVERY_MODEL=large go test ./internal/recoverymodel -count=1 -v -timeout 3h

rename-check:
	scripts/check-rename

clean:
	rm -rf bin out
	go clean -testcache
