#!/bin/bash
# A command on this host that outlives the connection which started it.
#
#   bash -s -- start NAME FOLDER STARTS COMMAND… < host.sh
#   bash -s -- follow NAME FOLDER < host.sh
#   bash -s -- stop NAME FOLDER < host.sh
#
# FOLDER holds what it writes, NAME.log, and the number of its session, NAME.pid.
set -euo pipefail
verb=$1 name=$2 folder=$3
shift 3
cd -- "$folder"

runs() { [[ -f $name.pid ]] && kill -0 -- "-$(<"$name.pid")" 2>/dev/null; }

# A start that ends with 0 is done; after 1 or 2 another would end the same way.
starts() {
  local left=$1 status
  shift
  while true; do
    status=0
    "$@" || status=$?
    left=$((left - 1))
    if ((status <= 2 || left < 1)); then return "$status"; fi
    echo "archlab: ended with status $status; starts again, $left left" >&2
  done
}

case $verb in
  start)
    if runs; then
      echo "archlab: $name runs on this host already; stop it first" >&2
      exit 1
    fi
    export -f starts
    # shellcheck disable=SC2016 # the session expands them
    setsid bash -c 'starts "$@"' starts "$@" </dev/null >>"$name.log" 2>&1 &
    echo $! >"$name.pid"
    ;;
  follow)
    tail --pid="$(<"$name.pid")" --lines=+1 --follow=name --retry -- "$name.log"
    ;;
  stop)
    if runs; then
      kill -TERM -- "-$(<"$name.pid")"
      while runs; do sleep 1; done
    fi
    rm -f -- "$name.pid"
    ;;
esac
