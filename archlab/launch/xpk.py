"""TPUs of a Kubernetes cluster, as a workload of xpk's, which makes a JobSet of it."""

import dataclasses

from archlab.launch.call import Call, Job, line
from archlab.launch.jobset import GRACE, logs
from archlab.launch.machines import Slices
from archlab.refusal import Refusal


@dataclasses.dataclass(frozen=True)
class Xpk(Slices):
    """Slices of TPUs of a cluster that xpk made.

    Args:
      cluster: its name.
      type: of TPU, as "v5litepod-256".
      zone: of the cluster.
      project: that pays; gcloud's own unless given.
      restarts: of the whole, at most.

    Raises:
      ValueError: what is no word.

    Source: xpk's own help, of `xpk workload create` and `xpk workload delete`.
    """

    cluster: str
    type: str
    zone: str
    project: str = ""
    restarts: int = 100

    def __post_init__(self):
        super().__post_init__()
        self._words("cluster", "type", "zone")
        self._words("project", may_be_empty=True)
        self._counts(restarts=0)

    def launched(self, job: Job) -> list[Call]:
        """What starts a run: one workload.

        Args:
          job: the run.

        Returns:
          The calls.

        Raises:
          ValueError: the run needs secrets, whose values xpk would write into the workload.
        """
        if job.secrets:
            raise Refusal(
                f"Launch.secrets={list(job.secrets)}: xpk would write the values into the "
                "workload; a JobSet takes them from a secret of the cluster",
                "Launch.secrets",
            )
        words = (
            f"--tpu-type={self.type}",
            f"--num-slices={self.slices}",
            f"--docker-image={self.image}",
            f"--max-restarts={self.restarts}",
            "--restart-on-user-code-failure",
            f"--termination-grace-period-seconds={GRACE}",
            f"--command={line(job.command('archlab'))}",
        )
        about = "asks the cluster for the machines and the run"
        return [Call((*self._workload("create", job), *words), about)]

    def followed(self, job: Job) -> list[Call]:
        """What shows what the run says, by kubectl, which xpk leaves at this cluster.

        Args:
          job: the run.

        Returns:
          The calls.
        """
        return logs(("kubectl",), job, self.slices)

    def cleaned(self, job: Job) -> list[Call]:
        """What deletes the workload.

        Args:
          job: the run.

        Returns:
          The calls.
        """
        words = (*self._workload("delete", job), "--force")
        return [Call(words, "stops the run and deletes its workload")]

    def _workload(self, verb: str, job: Job) -> tuple[str, ...]:
        project = (f"--project={self.project}",) if self.project else ()
        where = (f"--cluster={self.cluster}", f"--zone={self.zone}", *project)
        return ("xpk", "workload", verb, f"--workload={job.name}", *where)
