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
passes|changes.sh|model/xen/changes.hpp|int no_flags;
refused|changes.sh|model/xen/changes.hpp|struct XenChanges {\n    bool never_used = true;\n};
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

# A flag of a change has one place of use: none and two are refused, and names that only look like it do not count.
# outcome | what a.cpp says
while IFS='|' read -r outcome content; do
    plant model/xen/changes.hpp 'struct XenChanges {\n    bool waits = true;\n};\nint table = &XenChanges::waits;'
    printf '%b\n' "$content" >"$work/tree/model/xen/a.cpp"
    expect "$outcome" changes.sh model/xen/changes.hpp
done <<'ROWS'
passes|if (changes.waits) wait();
passes|if (p.changes.waits) wait();\nbool waits = other.waits_long;\n// changes.waits is the flag
passes|if (changes_.waits) wait();
refused|if (changes_.waits) wait();\nif (p.changes.waits) go();
refused|if (changes.waits_long) wait();
refused|if (changes.waits || changes.waits) wait();
refused|if (changes.waits) wait();\nif (old.changes.waits) go();
ROWS

# fake_build NAME SCRIPT: a build whose ticklab is SCRIPT.
fake_build() {
    mkdir -p "$work/$1/lab"
    printf '#!/bin/bash\n%s\n' "$2" >"$work/$1/lab/ticklab"
    chmod +x "$work/$1/lab/ticklab"
}

# Digests: exit code | what the first build does | what the second does
mkdir -p "$work/source/tests/house" "$work/source/scenarios/profiles"
cp "$house/compare_digests.sh" "$work/source/tests/house/"
printf '{ // a comment\n "kernel": {} }' >"$work/source/scenarios/a.json"
printf '{ "cpus": 2 }' >"$work/source/scenarios/profiles/no-scenario.json"
while IFS='|' read -r expected one other; do
    status=0
    fake_build one "$one"
    fake_build other "$other"
    "$work/source/tests/house/compare_digests.sh" "$work/one" "$work/other" >"$work/said" 2>&1 || status=$?
    [[ $status -eq $expected ]] && continue
    printf 'compare_digests.sh: expected %s, found %s for "%s" and "%s":\n' "$expected" "$status" "$one" "$other"
    cat "$work/said"
    failures=$((failures + 1))
done <<'ROWS'
0|echo '{"digest": "7a"}'|echo '{ "seed": 1, "digest":"7a" }'
0|echo '{"digest": "7a"}'; exit 1|echo '{"digest": "7a"}'; exit 1
0|[[ $2 == scenarios/a.json ]] && echo '{"digest": "7a"}'|[[ $2 == scenarios/a.json ]] && echo '{"digest": "7a"}'
1|echo '{"digest": "7a"}'|echo '{"digest": "7b"}'
1|echo '{"digest": "7a"}'|echo '{"digest": "7a"}'; exit 1
1|echo '{"digest": "7a"}'|exit 3
1|exit 3|exit 3
1|echo '{}'|echo '{}'
ROWS

# Documents: exit code | README.md, whose program says "seven <7> *" and fails if asked to
# shellcheck disable=SC2016  # the fake program's
fake_build build 'echo "seven <7> *"; [[ $# -lt 2 || $2 != fails.json ]]'
while IFS='|' read -r expected document; do
    status=0
    plant README.md "$document"
    printf 'int main() {}\n' >"$work/tree/main.cpp"
    "$house/docs.sh" "$work/tree" "$work/build" c++ >"$work/said" 2>&1 || status=$?
    [[ $status -eq $expected ]] && continue
    printf 'docs.sh: expected %s, found %s for "%s":\n' "$expected" "$status" "$document"
    cat "$work/said"
    failures=$((failures + 1))
done <<'ROWS'
0|Text.
0|```sh run\nticklab seven\n```\n```text said\nseven <7> *\n```
0|```sh run\nticklab seven\n```\n```text said\n...\ns...n <7> *\n```
0|```sh run exit=1\nticklab run fails.json\n```
0|```json file=a.json run\n{}\n```\n```sh run\ngrep -q {} a.json\n```
0|```json file=fails.json run exit=1\n{}\n```
0|```cpp from=main.cpp\nint main() {}\n```
0|```sh shown\nfalse\n```
0|[the program](main.cpp), [this](#here), [that](https://example.org)
1|[the program](other.cpp)
1|```\nticklab seven\n```
1|```sh\nticklab seven\n```
1|```json\n{}\n```
1|```sh run\nfalse\nticklab seven\n```
1|```sh run\nticklab run fails.json\n```
1|```sh run exit=1\nticklab seven\n```
1|```json file=fails.json run\n{}\n```
1|```sh run\nticklab seven\n```\n```text said\nseven\n```
1|```sh run\nticklab seven\n```\n```text said\nseven <7> *\nseven <7> *\n```
1|```cpp from=main.cpp\nint main() { }\n```
1|```cpp from=other.cpp\nint main() {}\n```
ROWS

[[ $failures -eq 0 ]]
