# Sourced by the other scripts: strict mode, the repository as working directory, and how to say what is missing.
# shellcheck shell=bash
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# A checkout that belongs to somebody else is no reason not to build.
export GOFLAGS="${GOFLAGS:-} -buildvcs=false"

step() { printf '\n== %s\n' "$*"; }

have() { command -v "$1" >/dev/null 2>&1; }

# missing says what can't be done without something. That is an error where CI is set, since nobody would notice there.
missing() {
	if [[ -n "${CI:-}" ]]; then
		echo "error: $*" >&2
		exit 1
	fi
	echo "SKIPPED: $*" >&2
}

# go_files lists the Go files of all modules.
go_files() { find . \( -name node_modules -o -name '.?*' -o -path ./out -o -path ./bin \) -prune -o -name '*.go' -print; }

check_format() {
	local bad
	bad="$(go_files | xargs gofmt -l)"
	if [[ -n "$bad" ]]; then
		printf 'not formatted (run gofmt -w):\n%s\n' "$bad" >&2
		return 1
	fi
}
