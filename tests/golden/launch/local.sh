# process 0, with all
python -m archlab train quickstart --out=runs/quickstart '--set=Data.folder=/a b/$(x);'"'"'"`' --coordinator=localhost:1234 --processes=2 --process=0
# process 1, with all
python -m archlab train quickstart --out=runs/quickstart '--set=Data.folder=/a b/$(x);'"'"'"`' --coordinator=localhost:1234 --processes=2 --process=1
