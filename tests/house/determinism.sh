#!/bin/bash
# What breaks determinism is absent from sim/ and model/ (MA 3, 7). A line is let through by a reason, at its end or
# on the line above:  // determinism: REASON
set -euo pipefail
# shellcheck source=tests/house/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
enter_tree "$@"

# One line each: what is searched for (an extended regular expression, between word boundaries) and why it is banned.
banned='
unordered_(multi)?(map|set)|order of a hash table
std::hash|value depends on the library
std::(multi)?(map|set)<[^,<>]*\*|order of addresses
random_device|<random>|mt19937(_64)?|minstd_rand0?|default_random_engine|std::[a-z_]+_distribution|all randomness is a choice
std::(rand|shuffle|sample)|s?rand[ ]*\(|all randomness is a choice
(system|steady|high_resolution|utc|tai|gps|file)_clock|wall clock
clock_gettime|gettimeofday|std::time|__rdtscp?|__DATE__|__TIME__|__TIMESTAMP__|wall clock
float|double|floating point decides nothing
'

# Prints "file:line: ..." for each banned word in the code (not in comments or strings) of the files of standard input.
banned_words() {
    # shellcheck disable=SC2016  # the $ are awk's
    BANNED=$banned xargs -r -d '\n' awk '
        BEGIN {
            count = split(ENVIRON["BANNED"], rows, "\n")
            for (i = 1; i <= count; i++) {
                cut = match(rows[i], /\|[^|]*$/)
                if (!cut) continue
                n++
                pattern[n] = "(^|[^A-Za-z0-9_])(" substr(rows[i], 1, cut - 1) ")([^A-Za-z0-9_]|$)"
                reason[n] = substr(rows[i], cut + 1)
            }
        }
        FNR == 1 { in_comment = 0; excused_next = 0 }
        {
            excused = excused_next || $0 ~ /\/\/ determinism: *[^ ]/
            excused_next = $0 ~ /^[ \t]*\/\/ determinism: *[^ ]/
            code = $0
            if (in_comment) {
                if (!sub(/^.*\*\//, "", code)) next
                in_comment = 0
            }
            gsub(/\047(\\.|[^\\\047])\047/, "0", code)
            gsub(/"(\\.|[^\\"])*"/, "\"\"", code)
            sub(/\/\/.*/, "", code)
            gsub(/\/\*([^*]|\*+[^*\/])*\*+\//, " ", code)
            if (sub(/\/\*.*/, "", code)) in_comment = 1
            if (excused) next
            for (i = 1; i <= n; i++)
                if (match(code, pattern[i]))
                    printf "%s:%d: %s: %s\n", FILENAME, FNR, substr(code, RSTART, RLENGTH), reason[i]
        }'
}

deciding_files() { house_files | grep -E '^(sim|model)/.*\.(cpp|hpp)$' || true; }

violations_from banned_words < <(deciding_files)
leave_tree
