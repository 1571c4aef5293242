#!/bin/bash
#SBATCH --job-name=ticklab-hunt
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=1
#SBATCH --open-mode=append
# One task of the array: the shard that its number says. Arguments: FOLDER SCENARIO [OPTION...]
set -euo pipefail
file=$1/$SLURM_ARRAY_TASK_ID.json
shift

# A task that was put back into the queue goes on where its file ends.
keep=(--out "$file")
[[ -s $file ]] && keep=(--resume "$file")

# Failures that were found are a result; anything else that is not 0 is the task's own failure.
code=0
ticklab hunt "$@" --shard slurm --jobs 1 --keep-going "${keep[@]}" || code=$?
[[ $code -le 1 ]] || exit "$code"
