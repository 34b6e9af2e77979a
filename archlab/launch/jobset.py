"""TPUs of a Kubernetes cluster, as a JobSet by kubectl.

Kubernetes restarts what was taken away, so nobody has to stay.
"""

import dataclasses
import json
import math
import re

from archlab.launch.call import Call, Job
from archlab.launch.machines import Slices
from archlab.refusal import Refusal
from archlab.spelling import not_one_of

# What GKE calls a kind of TPU, and the chips of one of its hosts in a slice of several.
ACCELERATORS = {
    "v4": ("tpu-v4-podslice", 4),
    "v5e": ("tpu-v5-lite-podslice", 4),
    "v5p": ("tpu-v5p-slice", 4),
    "v6e": ("tpu-v6e-slice", 4),
}
GRACE = 300  # seconds between SIGTERM and the end; a spot machine has some 25
FOR_GOOD = [1, 2]  # exit statuses after which another start would end the same way
LOGS = 1024  # pods, at most, whose words are shown together
CONTAINER = "archlab"
JOBSET = "jobset.sigs.k8s.io/jobset-name"


@dataclasses.dataclass(frozen=True)
class JobSet(Slices):
    """Slices of TPUs that a cluster has or makes, as a JobSet: GKE, by kubectl.

    Args:
      kind: of TPU: "v4", "v5e", "v5p" or "v6e".
      topology: of a slice, as GKE writes it: "16x16".
      claim: a persistent volume claim that all hosts can write to, for the run directory.
      spot: whether the machines are cheaper and may be taken away.
      restarts: of the whole, at most.
      namespace: of the cluster; kubectl's own unless given.
      context: of kubectl's, which names the cluster; the present one unless given.
      secret: of the cluster's, whose keys are the names of `Launch.secrets`.

    Raises:
      ValueError: an unknown kind, a topology that is none, or what is no word.

    Source: kubectl's help; JobSet's API v1alpha2; Google Cloud's "Deploy TPU workloads in GKE" for
      the selectors, the resource, and the variables that GKE sets in each container.
    """

    kind: str
    topology: str
    claim: str
    spot: bool = False
    restarts: int = 100
    namespace: str = ""
    context: str = ""
    secret: str = "archlab"

    def __post_init__(self):
        super().__post_init__()
        self._words("claim", "secret")
        self._words("namespace", "context", may_be_empty=True)
        self._counts(restarts=0)
        if self.kind not in ACCELERATORS:
            said = f"JobSet.kind={not_one_of(self.kind, ACCELERATORS)}"
            raise Refusal(said, "JobSet.kind")
        if not re.fullmatch(r"[1-9]\d*(x[1-9]\d*){1,2}", self.topology):
            said = f"JobSet.topology={self.topology!r}; it is written as 16x16, or as 4x8x8"
            raise Refusal(said, "JobSet.topology")

    @property
    def chips(self) -> tuple[str, int]:
        """The kind of chip, and how many."""
        return self.kind, self.slices * self._slice

    @property
    def _slice(self) -> int:
        """Chips of a slice."""
        return math.prod(map(int, self.topology.split("x")))

    def launched(self, job: Job) -> list[Call]:
        """What starts a run: one call, which hands the manifest over.

        Args:
          job: the run.

        Returns:
          The calls.
        """
        text = json.dumps(self.manifest(job), indent=2)
        about = "asks the cluster for the machines and the run"
        return [Call((*self._kubectl, "apply", "--filename=-"), about, text)]

    def followed(self, job: Job) -> list[Call]:
        """What shows what the run says.

        Args:
          job: the run.

        Returns:
          The calls.
        """
        return logs(self._kubectl, job, self.slices)

    def cleaned(self, job: Job) -> list[Call]:
        """What deletes the JobSet, and its pods with it.

        Args:
          job: the run.

        Returns:
          The calls.
        """
        words = ("delete", "jobset", job.name, "--ignore-not-found")
        return [Call((*self._kubectl, *words), "stops the run and deletes its pods")]

    @property
    def _kubectl(self) -> tuple[str, ...]:
        given = {"context": self.context, "namespace": self.namespace}
        return ("kubectl", *(f"--{name}={value}" for name, value in given.items() if value))

    def manifest(self, job: Job) -> dict:
        """The JobSet, as its API has it.

        Args:
          job: the run.

        Returns:
          What JSON can hold.
        """
        label, whole = ACCELERATORS[self.kind]
        each = min(whole, self._slice)
        hosts = self._slice // each
        selector = {
            "cloud.google.com/gke-tpu-accelerator": label,
            "cloud.google.com/gke-tpu-topology": self.topology,
            **({"cloud.google.com/gke-spot": "true"} if self.spot else {}),
        }
        # Kubernetes reads $(NAME) in a command as a variable, and $$ as $.
        command = [word.replace("$", "$$") for word in job.command("archlab")]
        container = {
            "name": CONTAINER,
            "image": self.image,
            "command": command,
            "env": [
                {"name": name, "valueFrom": {"secretKeyRef": {"name": self.secret, "key": name}}}
                for name in job.secrets
            ],
            "resources": {"limits": {"google.com/tpu": str(each)}},
            "volumeMounts": [{"name": "share", "mountPath": self.mount}],
        }
        pod = {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": GRACE,
            "nodeSelector": selector,
            "containers": [container],
            "volumes": [{"name": "share", "persistentVolumeClaim": {"claimName": self.claim}}],
        }
        for_good = {"containerName": CONTAINER, "operator": "In", "values": FOR_GOOD}
        jobs = {
            "parallelism": hosts,
            "completions": hosts,
            "completionMode": "Indexed",
            "backoffLimit": 0,
            "podFailurePolicy": {"rules": [{"action": "FailJob", "onExitCodes": for_good}]},
            "template": {"spec": pod},
        }
        failed = {"action": "FailJobSet", "onJobFailureReasons": ["PodFailurePolicy"]}
        return {
            "apiVersion": "jobset.x-k8s.io/v1alpha2",
            "kind": "JobSet",
            "metadata": {
                "name": job.name,
                "annotations": {
                    "alpha.jobset.sigs.k8s.io/exclusive-topology": "cloud.google.com/gke-nodepool"
                },
            },
            "spec": {
                "failurePolicy": {"maxRestarts": self.restarts, "rules": [failed]},
                "replicatedJobs": [
                    {"name": "slice", "replicas": self.slices, "template": {"spec": jobs}}
                ],
            },
        }


def logs(kubectl: tuple[str, ...], job: Job, slices: int) -> list[Call]:
    """What waits for the pods of a JobSet, and then shows what they say.

    Why it waits: kubectl shows what is there, and ends where nothing is.

    Args:
      kubectl: its words, up to what it is to do.
      job: the run.
      slices: of the run.

    Returns:
      The calls.
    """
    ready = f"--for=jsonpath={{.status.replicatedJobsStatus[0].ready}}={slices}"
    more = ("--follow", "--prefix", "--all-containers", "--tail=-1", f"--max-log-requests={LOGS}")
    return [
        Call(
            (*kubectl, "wait", f"jobset/{job.name}", ready, "--timeout=-1s"), "until all pods run"
        ),
        Call((*kubectl, "logs", f"--selector={JOBSET}={job.name}", *more), "what the run says"),
    ]
