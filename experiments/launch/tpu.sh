#!/bin/bash
# Runs a command in a container, on one host of a TPU, with the disk that all hosts share.
#
#   bash tpu.sh NAME IMAGE SHARE MOUNT SECRETS COMMAND…
#
# SHARE is what NFS calls the disk, or nothing. SECRETS are names in Secret Manager, with blanks
# between them, each at once the name of the variable that the command finds the value in.
set -euo pipefail
name=$1 image=$2 share=$3 mount=$4 secrets=$5
shift 5

if [[ -n $share ]] && ! mountpoint --quiet -- "$mount"; then
  if ! command -v mount.nfs >/dev/null; then
    sudo apt-get update --quiet
    sudo apt-get install --quiet --yes nfs-common
  fi
  sudo mkdir --parents -- "$mount"
  sudo mount -t nfs -- "$share" "$mount"
fi

registry=${image%%/*}
if [[ $registry == *.pkg.dev || $registry == *gcr.io ]]; then
  sudo gcloud auth configure-docker "$registry" --quiet
fi

# An earlier start may still run, with nobody listening: it saves, and this one goes on.
sudo docker stop --time 300 "$name" >/dev/null 2>&1 || true
sudo docker rm --force "$name" >/dev/null 2>&1 || true

options=(--rm --name "$name" --privileged --network host --stop-timeout 300)
if [[ -n $mount ]]; then options+=(--volume "$mount:$mount"); fi
kept=PATH
for secret in $secrets; do
  value=$(gcloud secrets versions access latest --secret="$secret")
  export "$secret=$value"
  options+=(--env "$secret")
  kept+=,$secret
done
exec sudo --preserve-env="$kept" docker run "${options[@]}" "$image" "$@"
