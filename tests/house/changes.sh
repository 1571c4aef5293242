#!/bin/bash
# A change in a kernel's history is one flag with one place of use (DESIGN 3): each bool of a struct that ends in
# "Changes", in a changes.hpp below model/, is read once, as "changes.NAME" or "changes_.NAME", in the code
# beside it.
set -euo pipefail
# shellcheck source=tests/house/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
enter_tree "$@"

# Names of the flags that the table of standard input declares.
flags() {
    awk '/^struct [A-Za-z]*Changes \{/ { inside = 1; next } /^\};/ { inside = 0 }
         inside && /^ *bool [a-z_0-9]+ = (true|false);/ { sub(/^ *bool /, ""); sub(/ .*/, ""); print }'
}

# Uses of flag $1 below folder $2, comments and the table itself left out.
uses() {
    house_files | { grep -E "^$2/.*\\.(cpp|hpp)$" || true; } | { grep -v '/changes\.hpp$' || true; } |
        xargs -r -d '\n' cat | sed 's|//.*||' | { grep -oE "changes_?\\.$1([^A-Za-z0-9_]|$)" || true; } | wc -l
}

while IFS= read -r table; do
    while IFS= read -r flag; do
        count=$(uses "$flag" "$(dirname "$table")")
        [[ $count -eq 1 ]] || violation "$table: $flag has $count places of use, expected 1"
    done < <(flags <"$table")
done < <(house_files | grep -E '^model/.*/changes\.hpp$' || true)
leave_tree
