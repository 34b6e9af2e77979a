"""TPUs of a Kubernetes cluster, as a workload of xpk's, which makes a JobSet of it."""

import dataclasses

from archlab.launch.call import Call, Job, line, word
from archlab.launch.jobset import GRACE, logs
from archlab.launch.machines import Machines
from archlab.refusal import Refusal


@dataclasses.dataclass(frozen=True)
class Xpk(Machines):
    """Slices of TPUs of a cluster that xpk made.

    Args:
      cluster: its name.
      type: of TPU, as "v5litepod-256".
      image: of the container, from the Dockerfile.
      zone: of the cluster.
      project: that pays; gcloud's own unless given.
      slices: of that type.
      restarts: of the whole, at most.
      mount: where the cluster's storage, which xpk attached, is seen.

    Raises:
      ValueError: what is no word.

    Source: xpk's own help, of `xpk workload create` and `xpk workload delete`.
    """

    cluster: str
    type: str
    image: str
    zone: str
    project: str = ""
    slices: int = 1
    restarts: int = 100
    mount: str = "/share"

    def __post_init__(self):
        for name in ("cluster", "type", "image", "zone", "mount"):
            word(f"Xpk.{name}", getattr(self, name))
        word("Xpk.project", self.project, may_be_empty=True)
        for name, least in (("slices", 1), ("restarts", 0)):
            if getattr(self, name) < least:
                said = f"Xpk.{name}={getattr(self, name)}; it is {least} or more"
                raise Refusal(said, f"Xpk.{name}")

    def out(self, name: str) -> str:
        """The run directory where none is named: on the cluster's storage.

        Args:
          name: of the experiment.

        Returns:
          A path, there.
        """
        return f"{self.mount}/runs/{name}"

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
