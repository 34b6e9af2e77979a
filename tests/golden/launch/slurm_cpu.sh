# hands the job to Slurm
sbatch --job-name=quickstart --nodes=2 --ntasks-per-node=1 --time=24:00:00 --signal=TERM@300 --requeue --open-mode=append --output=quickstart.log experiments/launch/slurm.sh 100 /shared/archlab/.venv/bin/archlab train quickstart --out=runs/quickstart '--set=Data.folder=/a b/$(x);'"'"'"`'
# what the run says, once it is there
tail --lines=+1 --follow=name --retry quickstart.log
