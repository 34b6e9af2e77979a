# asks the cluster for the machines and the run
kubectl apply --filename=- << 'END'
{
  "apiVersion": "jobset.x-k8s.io/v1alpha2",
  "kind": "JobSet",
  "metadata": {
    "name": "quickstart",
    "annotations": {
      "alpha.jobset.sigs.k8s.io/exclusive-topology": "cloud.google.com/gke-nodepool"
    }
  },
  "spec": {
    "failurePolicy": {
      "maxRestarts": 100,
      "rules": [
        {
          "action": "FailJobSet",
          "onJobFailureReasons": [
            "PodFailurePolicy"
          ]
        }
      ]
    },
    "replicatedJobs": [
      {
        "name": "slice",
        "replicas": 1,
        "template": {
          "spec": {
            "parallelism": 64,
            "completions": 64,
            "completionMode": "Indexed",
            "backoffLimit": 0,
            "podFailurePolicy": {
              "rules": [
                {
                  "action": "FailJob",
                  "onExitCodes": {
                    "containerName": "archlab",
                    "operator": "In",
                    "values": [
                      1,
                      2
                    ]
                  }
                }
              ]
            },
            "template": {
              "spec": {
                "restartPolicy": "Never",
                "terminationGracePeriodSeconds": 300,
                "nodeSelector": {
                  "cloud.google.com/gke-tpu-accelerator": "tpu-v5-lite-podslice",
                  "cloud.google.com/gke-tpu-topology": "16x16"
                },
                "containers": [
                  {
                    "name": "archlab",
                    "image": "us-docker.pkg.dev/mine/archlab/archlab",
                    "command": [
                      "archlab",
                      "train",
                      "quickstart",
                      "--out=/share/runs/quickstart",
                      "--set=Data.folder=/a b/$$(x);'\"`"
                    ],
                    "env": [],
                    "resources": {
                      "limits": {
                        "google.com/tpu": "4"
                      }
                    },
                    "volumeMounts": [
                      {
                        "name": "share",
                        "mountPath": "/share"
                      }
                    ]
                  }
                ],
                "volumes": [
                  {
                    "name": "share",
                    "persistentVolumeClaim": {
                      "claimName": "share"
                    }
                  }
                ]
              }
            }
          }
        }
      }
    ]
  }
}
END
# until all pods run
kubectl wait jobset/quickstart '--for=jsonpath={.status.replicatedJobsStatus[0].ready}=1' --timeout=-1s
# what the run says
kubectl logs --selector=jobset.sigs.k8s.io/jobset-name=quickstart --follow --prefix --all-containers --tail=-1 --max-log-requests=1024
