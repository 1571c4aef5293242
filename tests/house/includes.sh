#!/bin/bash
# Includes go one way, lab -> model -> sim, and the kernels below model/ never see each other.
set -euo pipefail
# shellcheck source=tests/house/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
enter_tree "$@"

# Prints "file:line: ..." for each include in the files of standard input that its room may not have.
foreign_includes() {
    # shellcheck disable=SC2016  # the $ are awk's
    xargs -r -d '\n' awk '
        FNR == 1 {
            split(FILENAME, part, "/")
            room = part[1]
            kernel = (room == "model" && part[3] != "") ? part[2] : ""
        }
        match($0, /^[ \t]*#[ \t]*include[ \t]*["<][^">]*/) {
            target = substr($0, RSTART, RLENGTH)
            quoted = target ~ /"/
            sub(/.*["<]/, "", target)
            split(target, seen, "/")
            if (quoted && seen[1] != "ticklab") wrong = "expected \"ticklab/...\""
            else if (seen[1] != "ticklab") wrong = ""
            else if (room == "sim" && seen[2] != "sim") wrong = "sim sees only sim"
            else if (room == "model" && seen[2] == "lab") wrong = "model does not see lab"
            else if (kernel != "" && seen[2] == "model" && seen[4] != "" && seen[3] != kernel)
                wrong = "model/" kernel " does not see model/" seen[3]
            else wrong = ""
            if (wrong != "") printf "%s:%d: includes %s: %s\n", FILENAME, FNR, target, wrong
        }'
}

rooms_files() { house_files | grep -E '^(sim|model|lab)/.*\.(cpp|hpp)$' || true; }

violations_from foreign_includes < <(rooms_files)
leave_tree
