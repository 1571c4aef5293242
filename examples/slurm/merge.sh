#!/bin/bash
#SBATCH --job-name=ticklab-merge
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=1
# Joins the shards of an array into one result. Arguments: FOLDER SHARDS
set -euo pipefail
files=()
for ((k = 1; k <= $2; ++k)); do
    files+=("$1/$k.json")
done
code=0
ticklab merge "${files[@]}" --out "$1/hunt.json" >"$1/summary.txt" || code=$?
[[ $code -le 1 ]] || exit "$code"
