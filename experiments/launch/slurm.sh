#!/bin/bash
# Runs a command on every node of a job, and asks Slurm for the job again where the command does.
#
#   sbatch [options] slurm.sh RESTARTS COMMAND…
#
# archlab train ends with 0 when it is done, and with 1 or 2 where another start would end the same
# way. Anything else means that it was stopped, at best with a checkpoint, and goes on from there.
set -uo pipefail
restarts=$1
shift

# Who cancels the job signals this shell too, which then ends behind srun. The signal before the
# time limit goes to the command alone.
trap 'exit 143' TERM

srun --kill-on-bad-exit=1 "$@"
status=$?
if ((status > 2 && ${SLURM_RESTART_COUNT:-0} < restarts)); then
  echo "archlab: ended with status $status; asked for again, ${SLURM_RESTART_COUNT:-0} of $restarts" >&2
  scontrol requeue "$SLURM_JOB_ID"
fi
exit "$status"
