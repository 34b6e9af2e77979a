# asks the cluster for the machines and the run
xpk workload create --workload=quickstart --cluster=mine --zone=us-west4-a --tpu-type=v5litepod-256 --num-slices=1 --docker-image=us-docker.pkg.dev/mine/archlab/archlab --max-restarts=100 --restart-on-user-code-failure --termination-grace-period-seconds=300 '--command=archlab train quickstart --out=/share/runs/quickstart '"'"'--set=Data.folder=/a b/$(x);'"'"'"'"'"'"'"'"'"`'"'"''
# until all pods run
kubectl wait jobset/quickstart '--for=jsonpath={.status.replicatedJobsStatus[0].ready}=1' --timeout=-1s
# what the run says
kubectl logs --selector=jobset.sigs.k8s.io/jobset-name=quickstart --follow --prefix --all-containers --tail=-1 --max-log-requests=1024
