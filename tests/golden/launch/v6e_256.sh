# asks for the machines
gcloud compute tpus queued-resources create quickstart --zone=us-west4-a --node-id=quickstart --accelerator-type=v6e-256 --runtime-version=v2-alpha-tpuv6e --spot
# until it says ACTIVE
gcloud compute tpus queued-resources describe quickstart --zone=us-west4-a '--format=value(state.state)'
# what each host does
gcloud compute tpus tpu-vm scp experiments/launch/tpu.sh quickstart:tpu.sh --zone=us-west4-a --worker=all
# the run itself, on all slices at once
gcloud compute tpus tpu-vm ssh quickstart --zone=us-west4-a --worker=all '--command=bash tpu.sh quickstart us-docker.pkg.dev/mine/archlab/archlab 10.0.0.2:/share /share '"'"''"'"' archlab train quickstart --out=/share/runs/quickstart '"'"'--set=Data.folder=/a b/$(x);'"'"'"'"'"'"'"'"'"`'"'"''
