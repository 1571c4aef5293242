#!/bin/bash
# What README.md and docs/*.md show is so: every block of code in them says what it is, and is held to it.
#
#   ```sh run [exit=N]               its commands, in a folder of the document's own; the last one ends with N (0)
#   ```sh shown                      for the reader only
#   ```json file=NAME [run] [exit=N] a file of that name in that folder; `run`: ticklab runs it
#   ```json part                     a part of a file
#   ```LANGUAGE from=FILE            lines of FILE of the tree, as they are
#   ```text said                     lines of what the last block that ran said, in order; "..." stands for anything
#   ```text                          anything else
#
# The folder looks like the tree: its entries are linked there, build/release is BUILD, and it is the home folder too.
set -euo pipefail
# shellcheck source=tests/house/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
[[ $# -eq 3 ]] || {
    printf 'usage: %s TREE BUILD CXX_COMPILER\n' "$0" >&2
    exit 2
}
build=$(realpath "$2")
export CXX=$3 PATH=$build/lab:$PATH
unset NO_COLOR TICKLAB_DATA CMAKE_PREFIX_PATH
enter_tree "$1"
tree=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# mark NAME: the value of NAME=VALUE among the marks of the block, or nothing.
mark() {
    local word
    for word in "${marks[@]}"; do
        [[ $word == "$1"=* ]] && printf '%s' "${word#*=}"
    done
    return 0
}
marked() { [[ " ${marks[*]} " == *" $1 "* ]]; }

# run_block PLACE COMMAND...: in the document's folder; what it says goes to $work/said.
run_block() {
    local place=$1 code=0 expected
    shift
    expected=$(mark exit)
    (cd "$work/home" && HOME=$PWD "$@") >"$work/said" 2>&1 </dev/null || code=$?
    [[ $code -eq ${expected:-0} ]] || {
        violation "$place: exit code $code, expected ${expected:-0}"
        sed 's/^/    /' "$work/said"
    }
}

# was_said PLACE BLOCK
was_said() {
    local line said pattern found
    exec 3<"$work/said"
    while IFS= read -r line; do
        [[ -z ${line//[. ]/} ]] && continue
        # Everything but "..." is meant literally.
        pattern=${line//\\/\\\\}
        pattern=$(sed 's/[][*?]/\\&/g; s/\.\.\./*/g' <<<"$pattern")
        found=
        while IFS= read -r said <&3; do
            # shellcheck disable=SC2053  # a pattern
            [[ $said == $pattern ]] && found=1 && break
        done
        [[ -n $found ]] || {
            violation "$1: was not said, or not in this place: $line"
            sed 's/^/    /' "$work/said"
            break
        }
    done <"$2"
    exec 3<&-
}

# is_in PLACE BLOCK FILE
is_in() {
    [[ -f $3 ]] || {
        violation "$1: no file $3"
        return
    }
    [[ $(<"$3") == *"$(<"$2")"* ]] || violation "$1: these lines are not in $3 as they stand"
}

check_block() {
    local place=$1 block=$2 language=$3 name
    marks=("${@:4}")
    name=$(mark file)
    if [[ -n $(mark from) ]]; then
        is_in "$place" "$block" "$(mark from)"
    elif [[ $language == sh ]] && marked run; then
        run_block "$place" bash -euo pipefail "$block"
    elif [[ $language == json && -n $name ]]; then
        cp "$block" "$work/home/$name"
        if marked run; then
            run_block "$place" ticklab run "$name"
        fi
    elif [[ $language == text ]] && marked said; then
        was_said "$place" "$block"
    elif ! { [[ $language == sh ]] && marked shown; } && ! { [[ $language == json ]] && marked part; } &&
        [[ $language != text ]]; then
        violation "$place: what is this block? See tests/house/docs.sh for its marks"
    fi
}

check_document() {
    local document=$1 info line words
    rm -rf "${work:?}/home" "$work/blocks"
    mkdir -p "$work/home/build" "$work/home/out" "$work/blocks"
    : >"$work/said"
    find "$tree" -mindepth 1 -maxdepth 1 ! -name build ! -name out ! -name '.*' -exec ln -s -t "$work/home" {} +
    ln -s "$build" "$work/home/build/release"
    awk -v folder="$work/blocks" '
        /^ *```/ {
            if (inside) { inside = 0; close(file); next }
            inside = 1
            file = sprintf("%s/%03d", folder, ++n)
            sub(/^ *```/, "")
            print FNR, $0 >(file ".info")
            close(file ".info")
            printf "" >file
            next
        }
        inside { print >file }' "$document"
    for info in "$work"/blocks/*.info; do
        [[ -f $info ]] || continue
        read -r line words <"$info"
        # shellcheck disable=SC2086  # words
        check_block "$document:$line" "${info%.info}" ${words:-none}
    done
}

# check_links DOCUMENT: what it links to in the tree is there.
check_links() {
    local place link
    while IFS=: read -r place link; do
        [[ -z $link || -e $(dirname "$1")/$link ]] || violation "$1:$place: a link to $link, which is not there"
    done < <(awk '/^ *```/ { code = !code; print ""; next } { print code ? "" : $0 }' "$1" |
        grep -noE '\]\([^)# ]*' | sed 's/\](//' | grep -vE ':(https?|mailto):')
}

while IFS= read -r document; do
    check_document "$document"
    check_links "$document"
done < <(house_files | grep -E '^(README|docs/[^/]*)\.md$')
leave_tree
