"""Clusters that Slurm runs: a batch job that Slurm starts again where it was stopped."""

import dataclasses
import re
import sys

from archlab import experiments
from archlab.launch.call import Call, Job
from archlab.launch.machines import Machines
from archlab.refusal import Refusal


@dataclasses.dataclass(frozen=True)
class Slurm(Machines):
    """Nodes with a disk that all share, and which this command sees too.

    Before its time is over, and when it is preempted, Slurm signals the run, which saves and ends;
    the script that it is started by asks for the job again.

    Args:
      nodes: how many.
      gpus: of each node, with a process for each, as JAX has it under Slurm; 0 computes on CPUs,
        with one process a node.
      chip: what the GPUs are, as `archlab plan` calls them; "" where that does not matter.
      cpus: of each process; Slurm's own number unless given.
      time: until a job is over, as Slurm writes it.
      notice: seconds before that, in which the run saves.
      partition: of the cluster; its own unless given.
      account: that pays; the user's own unless given.
      restarts: of the job, at most.
      program: what archlab is called there; the one that this is, unless given.

    Raises:
      ValueError: a number below what it can be, or what is no word.

    Source: Slurm's manual pages, sbatch and scancel.
    """

    nodes: int = 1
    gpus: int = 0
    chip: str = ""
    cpus: int = 0
    time: str = "24:00:00"
    notice: int = 300
    partition: str = ""
    account: str = ""
    restarts: int = 100
    program: str = ""

    def __post_init__(self):
        self._counts(nodes=1, gpus=0, cpus=0, notice=1, restarts=0)
        if not re.fullmatch(r"(\d+-)?\d+(:\d\d){0,2}", self.time):
            said = f"Slurm.time={self.time!r}; it is written as 24:00:00, or as 7-00:00:00"
            raise Refusal(said, "Slurm.time")
        self._words("partition", "account", may_be_empty=True)

    @property
    def is_elsewhere(self) -> bool:
        """Whether paths mean something else there; the disk is shared."""
        return False

    @property
    def chips(self) -> tuple[str, int]:
        """The kind of chip, and how many."""
        return self.chip, self.nodes * self.gpus

    def launched(self, job: Job) -> list[Call]:
        """What starts a run: one batch job.

        Args:
          job: the run.

        Returns:
          The calls.

        Raises:
          ValueError: a secret is in no variable of this process, whose variables the job has.
        """
        job.check_secrets()
        program = (self.program,) if self.program else (sys.executable, "-m", "archlab")
        optional = {
            "gpus-per-node": self.gpus,
            "cpus-per-task": self.cpus,
            "partition": self.partition,
            "account": self.account,
        }
        words = (
            "sbatch",
            f"--job-name={job.name}",
            f"--nodes={self.nodes}",
            f"--ntasks-per-node={self.gpus or 1}",
            *(f"--{name}={value}" for name, value in optional.items() if value),
            f"--time={self.time}",
            f"--signal=TERM@{self.notice}",
            "--requeue",
            "--open-mode=append",
            f"--output={self._log(job)}",
            str(experiments.home() / "experiments" / "launch" / "slurm.sh"),
            str(self.restarts),
        )
        return [Call((*words, *job.command(*program)), "hands the job to Slurm")]

    def followed(self, job: Job) -> list[Call]:
        """What shows what the run says, from the job's first words on.

        Args:
          job: the run.

        Returns:
          The calls.
        """
        words = ("tail", "--lines=+1", "--follow=name", "--retry", self._log(job))
        return [Call(words, "what the run says, once it is there")]

    def cleaned(self, job: Job) -> list[Call]:
        """What cancels the job; what runs saves first, as far as the cluster lets it.

        Args:
          job: the run.

        Returns:
          The calls.
        """
        return [Call(("scancel", "--me", f"--name={job.name}"), "cancels the job")]

    def _log(self, job: Job) -> str:
        return f"{job.name}.log"
