#!/bin/bash
# Counts the instructions of one operation (a tick; a timer set or stopped; an event of a local timer) of each load of bench/instructions.cpp,
# with callgrind: the same figure on every run and every machine, for one compiler.
#
# usage: bench/instructions.sh PROGRAMS_DIR [LOAD...]
set -euo pipefail

[[ $# -ge 1 && -x $1/instructions ]] || {
    echo "usage: $0 PROGRAMS_DIR [LOAD...]: PROGRAMS_DIR/instructions is not there" >&2
    exit 2
}
program=$1/instructions
shift
if [[ $# -eq 0 ]]; then
    # Called without a load it lists them.
    mapfile -t loads < <("$program" 2>&1 | tail -n +2)
    set -- "${loads[@]}"
fi

messages=$(mktemp)
trap 'rm -f "$messages"' EXIT
printf '%-30s %16s %14s\n' load instructions/op operations
for load in "$@"; do
    # Fibers switch stacks; callgrind follows them, but says so.
    operations=$(valgrind --tool=callgrind --instr-atstart=no --callgrind-out-file=/dev/null "$program" "$load" 2>"$messages") || {
        cat "$messages" >&2
        exit 1
    }
    instructions=$(sed -n 's/.*Collected *: *\([0-9]*\).*/\1/p' "$messages")
    [[ $instructions -gt 0 ]] || {
        echo "callgrind counted nothing for $load" >&2
        exit 1
    }
    printf '%-30s %16d %14d\n' "$load" $((instructions / operations)) "$operations"
done
