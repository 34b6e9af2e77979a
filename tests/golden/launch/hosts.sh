# starts one
ssh -oBatchMode=yes -- one 'bash -s -- start quickstart archlab 3 .venv/bin/archlab train quickstart --out=runs/quickstart '"'"'--set=Data.folder=/a b/$(x);'"'"'"'"'"'"'"'"'"`'"'"' --coordinator=one:8476 --processes=2 --process=0' < experiments/launch/host.sh
# starts me@two
ssh -oBatchMode=yes -- me@two 'bash -s -- start quickstart archlab 3 .venv/bin/archlab train quickstart --out=runs/quickstart '"'"'--set=Data.folder=/a b/$(x);'"'"'"'"'"'"'"'"'"`'"'"' --coordinator=one:8476 --processes=2 --process=1' < experiments/launch/host.sh
# what the run says, from one
ssh -oBatchMode=yes -- one 'bash -s -- follow quickstart archlab' < experiments/launch/host.sh
