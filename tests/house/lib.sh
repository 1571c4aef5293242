# What the house scripts share. Each takes the root of a tree as its argument, prints one line for every violation
# and exits with 1 if there was any, so that canary.sh can point it at a tree with a planted violation.
# shellcheck shell=bash

# Files below the current folder that are tracked or about to be; all of them outside a git checkout.
house_files() {
    if [[ -e .git ]]; then
        # A checkout that another user owns (a container, a CI runner) is as good as one's own for listing names.
        git -c safe.directory='*' ls-files --cached --others --exclude-standard |
            while IFS= read -r file; do [[ -f $file ]] && printf '%s\n' "$file"; done
    else
        find . \( -name build -o -name out \) -prune -o -type f -printf '%P\n' | LC_ALL=C sort
    fi
}

enter_tree() {
    [[ $# -eq 1 && -d $1 ]] || {
        printf 'usage: %s TREE\n' "$0" >&2
        exit 2
    }
    cd "$1" || exit 2
    violations=0
}

violation() {
    printf '%s\n' "$*"
    violations=$((violations + 1))
}

# violations_from COMMAND...: each line that it prints is one.
violations_from() {
    local line
    while IFS= read -r line; do
        violation "$line"
    done < <("$@")
    wait "$!"
}

leave_tree() {
    [[ $violations -eq 0 ]] || exit 1
}
