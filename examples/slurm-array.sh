#!/usr/bin/env bash
# Shares a sweep over the tasks of a Slurm array. Every task runs the same command; the tasks divide the runs
# among themselves by claims in the results folder, which all nodes must see (docs/slurm.md).
#
#   sbatch examples/slurm-array.sh full-table --data /shared/data --results /shared/results
#
# Submit it again, at any time, to go on: with what is left, with more tasks, after a time limit or a crash.
#SBATCH --job-name=dabench
#SBATCH --array=1-8
#SBATCH --time=04:00:00
#SBATCH --gres=gpu:1
#SBATCH --cpus-per-task=8
#SBATCH --mem=32G
#SBATCH --requeue
#SBATCH --output=dabench-%A_%a.txt
set -euo pipefail

# What your site needs to find dabench goes here, such as: source ~/dabench/.venv/bin/activate

# Stop in time: the run in progress writes a checkpoint, and a task of the next submission goes on with it.
margin=${DABENCH_MARGIN_SECONDS:-300}
time_limit=()
if [ -n "${SLURM_JOB_END_TIME:-}" ]; then
  left=$((SLURM_JOB_END_TIME - $(date +%s) - margin))
  if [ "$left" -le 0 ]; then
    echo "the time limit leaves less than $margin seconds: nothing is begun" >&2
    exit 0
  fi
  time_limit=(--max-time "${left}s")
fi

# A --max-time among the arguments comes later and wins. Old versions of bash know no empty arrays.
exec dabench run ${time_limit[@]+"${time_limit[@]}"} "$@"
