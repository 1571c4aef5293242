#!/bin/sh
# Runs PHOLD and ticks (bench/load.hpp) on ticklab, ns-3 and SystemC in turn and prints what each reached, with ticklab's
# engine as a multiple of it. Takes the best of several rounds: the rounds alternate, so a busy spell hits all alike.
#
# usage: bench/peers.sh PROGRAMS_DIR [ROUNDS]      (configure with -DTICKLAB_BENCH=ON -DTICKLAB_BENCH_PEERS=ON)
# Exit code 1 if a program fails or two disagree about the events of a load.
set -eu

if [ $# -lt 1 ] || [ ! -x "$1/ticklab_load" ]; then
    echo "usage: $0 PROGRAMS_DIR [ROUNDS]: PROGRAMS_DIR/ticklab_load is not there" >&2
    exit 2
fi
programs=$1
rounds=${2:-3}
export SYSTEMC_DISABLE_COPYRIGHT_MESSAGE=1

run() {
    if [ -x "$programs/$1" ]; then
        "$programs/$1" "$2" "$3" "$4" "$5" | grep '^{' || echo "FAILED $*"
    fi
}

round=0
while [ "$round" -lt "$rounds" ]; do
    for load in 'phold 1024 4000' 'phold 16384 250' 'ticks 1024 4000'; do
        for variant in engine pending-set heap-loop; do
            # shellcheck disable=SC2086  # a load is three words
            run ticklab_load $load $variant
        done
        for variant in map heap priority-queue calendar; do
            # shellcheck disable=SC2086
            run ns3_load $load $variant
        done
        for variant in event trigger; do
            # shellcheck disable=SC2086
            run systemc_load $load $variant
        done
    done
    round=$((round + 1))
done | awk '
function field(name,    rest) {
    rest = substr($0, index($0, "\"" name "\":") + length(name) + 3)
    sub(/[,}].*/, "", rest)
    gsub(/"/, "", rest)
    return rest
}
/^FAILED/ {
    print > "/dev/stderr"
    wrong = 1
    next
}
{
    load = field("load") " " field("processes")
    row = load SUBSEP field("engine") " " field("variant")
    identity = field("events") " " field("checksum")
    if (!(load in expected)) {
        expected[load] = identity
        loads[++load_count] = load
    }
    if (identity != expected[load]) {
        printf "%s: events and checksum %s, expected %s\n", row, identity, expected[load] > "/dev/stderr"
        wrong = 1
    }
    if (!(row in rate)) {
        rows[++row_count] = row
    }
    if (field("events_per_second") + 0 > rate[row] + 0) {
        rate[row] = field("events_per_second") + 0
        virtual[row] = field("virtual_per_second") + 0
    }
}
END {
    printf "%-12s %-24s %12s %16s %14s\n", "load", "on", "M events/s", "virtual s/s", "engine is"
    for (l = 1; l <= load_count; l++) {
        for (r = 1; r <= row_count; r++) {
            split(rows[r], part, SUBSEP)
            if (part[1] == loads[l]) {
                printf "%-12s %-24s %12.1f %16.1f %13.1fx\n", part[1], part[2], rate[rows[r]] / 1e6, virtual[rows[r]],
                    rate[loads[l] SUBSEP "ticklab engine"] / rate[rows[r]]
            }
        }
    }
    exit wrong
}'
