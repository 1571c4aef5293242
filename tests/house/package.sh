#!/bin/bash
# An installed ticklab serves from any folder, and so does its package: installs BUILD to an empty prefix, runs the
# installed program elsewhere, builds package/ and examples/ against the prefix, runs, checks and exports with the core
# of examples/write-a-model.
set -euo pipefail
[[ $# -eq 3 ]] || {
    printf 'usage: %s BUILD CXX_COMPILER WORK\n' "$0" >&2
    exit 2
}
build=$1 compiler=$2 work=$3
house=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
model=$(realpath "$house/../../examples/write-a-model")
prefix=$work/prefix

# expect CODE COMMAND...: standard output is kept in $work/said.
expect() {
    local expected=$1 code=0
    shift
    "$@" >"$work/said" || code=$?
    [[ $code -eq $expected ]] || {
        printf 'expected exit code %s, found %s: %s\n' "$expected" "$code" "$*"
        cat "$work/said"
        exit 1
    }
}
# holds FILE FILTER: a jq filter that must be true of it.
holds() {
    jq -e "$2" "$1" >/dev/null || {
        printf 'not true: %s of:\n' "$2"
        head -c 4000 "$1"
        exit 1
    }
}

rm -rf "$work"
mkdir -p "$work/elsewhere"
cmake --install "$build" --prefix "$prefix" >/dev/null
cd "$work/elsewhere"

# The program finds its own data: not those of the source tree, which is still there.
expect 0 "$prefix/bin/ticklab" list machines --json
holds "$work/said" "length >= 2 and all(.[]; .file | startswith(\"$prefix/\"))"
expect 0 "$prefix/bin/ticklab" list scenarios --json
holds "$work/said" "length >= 1 and all(.[]; .file | startswith(\"$prefix/\"))"
cat >here.json <<'JSON'
{ "name": "elsewhere", "machine": { "profile": "client" }, "kernel": { "type": "xen" }, "duration": "5ms",
  "script": [ { "at": "1ms", "on": 1, "do": "timer.set", "timer": "t", "expires": "2ms" } ],
  "expect": [ { "timer": "t", "fires": 1 } ] }
JSON
expect 0 "$prefix/bin/ticklab" run here.json --json
holds "$work/said" '.timers.fired == 1'

# completes EXPECTED WORD...: what bash offers for the last word.
completes() {
    local expected=$1 found
    shift
    # shellcheck disable=SC2016  # the inner shell's
    found=$(bash -uc 'source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _ticklab; echo "${COMPREPLY[*]}"' \
        "$prefix/share/bash-completion/completions/ticklab" "$@")
    [[ $found == "$expected" ]] || {
        printf 'completion of "%s": expected "%s", found "%s"\n' "$*" "$expected" "$found"
        exit 1
    }
}
completes validate ticklab va
completes 'all none' ticklab run here.json --observers ''
completes --timeline ticklab run --ti
completes here.json ticklab run h
completes verbs ticklab list ve
completes '' ticklab run --seed ''
grep -q '^\.B "\\-\\-seed NUMBER"' "$prefix/share/man/man1/ticklab.1"

for project in "$house/package" "$model"; do
    cmake -S "$project" -B "$work/$(basename "$project")" -G Ninja -DCMAKE_CXX_COMPILER="$compiler" \
        -DCMAKE_PREFIX_PATH="$prefix"
    cmake --build "$work/$(basename "$project")"
done
expect 0 "$work/package/consumer"

# A core of one's own runs, is checked and exported.
list_kernel=$work/write-a-model/list_kernel
expect 0 "$list_kernel" list machines --json
holds "$work/said" "all(.[]; .file | startswith(\"$prefix/\"))"
expect 0 "$list_kernel" list verbs --json
holds "$work/said" 'any(.[]; .kernel == "list" and .name == "timer.set")'
expect 0 "$list_kernel" validate "$model/two-cpus.json"
expect 0 "$list_kernel" run "$model/two-cpus.json" --repeat-check --timeline timeline.json --json
holds "$work/said" '.timers.fired > 20 and .timers.lost == 0'
holds timeline.json 'any(.traceEvents[]; .ph == "b" and .name == "timer pending")'
expect 1 "$list_kernel" run "$model/two-cpus.json" --set kernel.forget=true --json
holds "$work/said" '.violations[0].check == "progress.uncovered"'
