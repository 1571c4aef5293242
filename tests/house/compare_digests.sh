#!/bin/bash
# Every build computes the same run: the digest and the exit code of each scenario agree among the builds given.
set -euo pipefail
[[ $# -ge 2 ]] || {
    printf 'usage: %s BUILD BUILD...\n' "$0" >&2
    exit 2
}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
builds=()
for build in "$@"; do
    builds+=("$(realpath "$build")")
    [[ -x $build/lab/ticklab ]] || {
        printf '%s: no program %s/lab/ticklab\n' "$0" "$build" >&2
        exit 2
    }
done
cd "$root"

# Machine profiles and cost tables live below scenarios/ too; only a scenario names a kernel.
mapfile -t scenarios < <(grep -rlE --include='*.json' '"kernel"[[:space:]]*:' scenarios | LC_ALL=C sort)
[[ ${#scenarios[@]} -gt 0 ]] || {
    printf '%s: no scenario below %s/scenarios\n' "$0" "$root" >&2
    exit 2
}

# Prints "DIGEST EXIT_CODE". A run without a digest is an error of its own, never equal to another.
outcome() {
    local report status=0 digest
    report=$("$1/lab/ticklab" run "$2" --json 2>/dev/null) || status=$?
    digest=$(jq -r '.digest // empty' <<<"$report" 2>/dev/null) || digest=
    printf '%s (exit code %s)\n' "${digest:-none}" "$status"
}

# compare SCENARIO BUILD...
compare() {
    local scenario=$1 build first found
    shift
    first=$(outcome "$1" "$scenario")
    printf '%s %s\n' "$first" "$scenario"
    if [[ $first == none* ]]; then
        printf '%s: %s printed no digest: run %s/lab/ticklab run %s --json\n' "$scenario" "$1" "$1" "$scenario" >&2
        return 1
    fi
    for build in "${@:2}"; do
        found=$(outcome "$build" "$scenario")
        [[ $found == "$first" ]] && continue
        printf '%s: digests differ:\n  %s  %s\n  %s  %s\n' "$scenario" "$first" "$1" "$found" "$build" >&2
        return 1
    done
}
export -f outcome compare

printf '%s\0' "${scenarios[@]}" |
    xargs -0 -P "$(nproc)" -I{} bash -c 'compare "$@"' compare {} "${builds[@]}" || exit 1
printf '%s scenarios have equal digests in %s builds\n' "${#scenarios[@]}" "${#builds[@]}"
