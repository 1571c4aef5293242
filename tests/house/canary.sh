#!/bin/bash
# Every house rule catches its violation: a tree with one planted violation must be refused with the file's name, and
# a tree without any must pass.
set -euo pipefail
house=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0

# expect OUTCOME SCRIPT FILE: what SCRIPT says of $work/tree, which holds FILE.
expect() {
    local outcome=$1 script=$2 file=$3 status=0
    (cd / && "$house/$script" "$work/tree") >"$work/said" 2>&1 || status=$?
    case $outcome in
        passes) [[ $status -eq 0 && ! -s $work/said ]] && return ;;
        refused) [[ $status -eq 1 ]] && grep -q "^$file:" "$work/said" && return ;;
    esac
    printf '%s: expected %s for %s with this content, found exit code %s:\n' "$script" "$outcome" "$file" "$status"
    head -n 3 "$work/tree/$file"
    cat "$work/said"
    failures=$((failures + 1))
}

# plant FILE CONTENT: makes a tree with this one file.
plant() {
    rm -rf "$work/tree"
    mkdir -p "$work/tree/$(dirname "$1")"
    printf '%b\n' "$2" >"$work/tree/$1"
}

# outcome | script | file | content
while IFS='|' read -r outcome script file content; do
    [[ -n $outcome ]] || continue
    plant "$file" "$content"
    expect "$outcome" "$script" "$file"
done <<'ROWS'
passes|includes.sh|sim/a.hpp|#include <vector>\n#include "ticklab/sim/time.hpp"
passes|includes.sh|model/xen/a.cpp|#include "ticklab/model/xen/b.hpp"\n#include "ticklab/sim/time.hpp"
passes|includes.sh|model/linux/a.cpp|#include "ticklab/model/shared.hpp"
passes|includes.sh|lab/a.cpp|#include "ticklab/model/xen/b.hpp"\n#include "ticklab/sim/time.hpp"
refused|includes.sh|sim/a.hpp|#include "ticklab/model/xen/b.hpp"
refused|includes.sh|sim/a.hpp|#include "ticklab/lab/b.hpp"
refused|includes.sh|sim/deep/a.cpp|  #  include <ticklab/lab/b.hpp>
refused|includes.sh|model/xen/a.cpp|#include "ticklab/lab/b.hpp"
refused|includes.sh|model/a.hpp|#include "ticklab/lab/b.hpp"
refused|includes.sh|model/xen/a.cpp|#include "ticklab/model/linux/b.hpp"
refused|includes.sh|model/linux/wheel/a.cpp|#include "ticklab/model/xen/b.hpp"
refused|includes.sh|lab/a.cpp|#include "../sim/time.hpp"
passes|determinism.sh|sim/a.hpp|#include <map>\nstd::map<int, Cpu*> by_index;
passes|determinism.sh|sim/a.hpp|// a double check; float\n/* float\n double */ int x;\nconst char* s = "double // float";
passes|determinism.sh|sim/a.hpp|int doubled = float_count(redouble);
passes|determinism.sh|sim/a.cpp|double watts;  // determinism: printed, decides nothing
passes|determinism.sh|sim/a.cpp|// determinism: printed, decides nothing\ndouble watts;
passes|determinism.sh|lab/a.cpp|double percent;
refused|determinism.sh|sim/a.cpp|double watts;  // determinism:
refused|determinism.sh|sim/a.cpp|// determinism: printed, decides nothing\ndouble a;\ndouble b;
refused|determinism.sh|sim/a.cpp|/* a */ double b; // c
refused|determinism.sh|sim/a.cpp|/* a\n b */ double c;
refused|determinism.sh|sim/a.cpp|char c = '"'; double d; char e = '"';
refused|determinism.sh|model/xen/a.cpp|return static_cast<float>(x);
refused|determinism.sh|sim/a.cpp|#include <unordered_map>
refused|determinism.sh|sim/a.cpp|std::unordered_set<int> s;
refused|determinism.sh|sim/a.cpp|std::unordered_multimap<int, int> m;
refused|determinism.sh|sim/a.cpp|auto h = std::hash<int>{}(1);
refused|determinism.sh|sim/a.cpp|std::set<Cpu*> waiters;
refused|determinism.sh|sim/a.cpp|std::map<const Cpu*, int> waiters;
refused|determinism.sh|sim/a.cpp|#include <random>
refused|determinism.sh|sim/a.cpp|std::random_device entropy;
refused|determinism.sh|sim/a.cpp|std::mt19937_64 engine;
refused|determinism.sh|sim/a.cpp|std::uniform_int_distribution<int> dice;
refused|determinism.sh|sim/a.cpp|std::shuffle(a, b, c);
refused|determinism.sh|sim/a.cpp|int r = rand();
refused|determinism.sh|sim/a.cpp|auto t = std::chrono::system_clock::now();
refused|determinism.sh|sim/a.cpp|auto t = std::chrono::steady_clock::now();
refused|determinism.sh|sim/a.cpp|auto t = std::chrono::high_resolution_clock::now();
refused|determinism.sh|sim/a.cpp|clock_gettime(CLOCK_MONOTONIC, &t);
refused|determinism.sh|sim/a.cpp|const char* built = __DATE__;
passes|tidy.sh|lab/a.cpp|int todo_count;
ROWS

# The marks are put together here so that this file may stand in the tree.
for mark in 'TO''DO' 'FIX''ME' 'X''XX'; do
    plant lab/a.cpp "// $mark: finish"
    expect refused tidy.sh lab/a.cpp
    plant docs/spec/a.md "the kernel says $mark"
    expect passes tidy.sh docs/spec/a.md
done
plant lab/a.cpp "$(yes 'int x;' | head -n 600)"
expect passes tidy.sh lab/a.cpp
plant lab/a.cpp "$(yes 'int x;' | head -n 601)"
expect refused tidy.sh lab/a.cpp
plant docs/a.bin ''
truncate -s 1048576 "$work/tree/docs/a.bin"
expect passes tidy.sh docs/a.bin
truncate -s 1048577 "$work/tree/docs/a.bin"
expect refused tidy.sh docs/a.bin

[[ $failures -eq 0 ]]
