#!/bin/bash
# A tree that stays small and finished: no large file, no long source, no note of work left undone.
set -euo pipefail
# shellcheck source=tests/house/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
enter_tree "$@"

readonly file_bytes_max=$((1024 * 1024))
readonly source_lines_max=600

while IFS= read -r file; do
    bytes=$(stat -c %s "$file")
    [[ $bytes -le $file_bytes_max ]] || violation "$file: $bytes bytes, at most $file_bytes_max"
done < <(house_files)

sources() { house_files | grep -E '(\.(cpp|hpp|sh|cmake)|CMakeLists\.txt|^dev|^\.ci/run)$' || true; }

while IFS= read -r file; do
    lines=$(wc -l <"$file")
    [[ $lines -le $source_lines_max ]] || violation "$file: $lines lines, at most $source_lines_max"
done < <(sources)

# docs/spec quotes the notes of other projects. The brackets keep this line from finding itself.
unfinished() {
    house_files | { grep -v '^docs/spec/' || true; } | xargs -r -d '\n' grep -HnIwE 'T[O]DO|F[I]XME|X[X]X' || true
}

violations_from unfinished
leave_tree
