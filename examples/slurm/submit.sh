#!/bin/bash
# Hands a hunt to Slurm: an array of shards, and a job that joins them. The README beside this has the rest.
set -euo pipefail
[[ $# -ge 3 && $1 =~ ^[1-9][0-9]*$ ]] || {
    printf 'usage: %s SHARDS FOLDER SCENARIO [OPTION OF ticklab hunt...]\n' "$0" >&2
    exit 2
}
shards=$1
jobs=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
mkdir -p "$2"
folder=$(realpath "$2")
shift 2

array=$(sbatch --parsable --array="1-$shards" --output="$folder/%a.log" "$jobs/shard.sh" "$folder" "$@")
# Of a cluster among several, --parsable says the name as well.
joint=$(sbatch --parsable --dependency="afterok:${array%%;*}" --kill-on-invalid-dep=yes --output="$folder/merge.log" \
    "$jobs/merge.sh" "$folder" "$shards")
printf 'shards: job %s, joined by job %s into %s/hunt.json\n' "$array" "$joint" "$folder"
