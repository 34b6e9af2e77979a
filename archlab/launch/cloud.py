"""Cloud TPUs as queued resources: asked for, waited for, and asked for again when taken away.

Whoever asked has to stay: nobody at Google asks again for what was taken. The run does not need
them, and goes on where it stood when they come back.
"""

import dataclasses
import re
import time
from collections.abc import Callable

from archlab import experiments
from archlab.launch.call import Call, Job, line
from archlab.launch.machines import OTHERWISE, Slices, worst
from archlab.refusal import Refusal

PAUSE = 20.0  # seconds between two looks
READY = "ACTIVE"
GONE = ("FAILED", "SUSPENDING", "SUSPENDED")  # a request that no machines will come of
KINDS = {"v4": "v4", "v5litepod": "v5e", "v5p": "v5p", "v6e": "v6e"}
CORES = ("v4", "v5p")  # whose names count cores, two to a chip
SCRIPT = "tpu.sh"


@dataclasses.dataclass(frozen=True)
class CloudTPU(Slices):
    """TPU VMs of one queued resource, which run a container each.

    Args:
      type: of accelerator, as "v5litepod-256".
      runtime: version of the VMs' software.
      zone: that they are in.
      project: that pays; gcloud's own unless given.
      spot: whether they are cheaper and may be taken away.
      share: a disk that all hosts see, as NFS calls it: "10.0.0.2:/share"; "" leaves each its own.
      service_account: that the VMs act for; the project's own unless given.

    Raises:
      ValueError: a type of none of these kinds, or what may be taken away with the run on its disk.

    Source: gcloud's reference of `compute tpus queued-resources` and `compute tpus tpu-vm`; Google
      Cloud's "Manage queued resources" for the states.
    """

    type: str
    runtime: str
    zone: str
    project: str = ""
    spot: bool = False
    share: str = ""
    service_account: str = ""

    def __post_init__(self):
        super().__post_init__()
        self._words("type", "runtime", "zone")
        self._words("project", "share", "service_account", may_be_empty=True)
        if not self.chips[1]:
            said = f"CloudTPU.type={self.type!r} is half a chip; it counts cores, two to a chip"
            raise Refusal(said, "CloudTPU.type")
        if self.spot and not self.share:
            raise Refusal(
                "CloudTPU.spot=True takes the disks with the machines; CloudTPU.share names one "
                "that stays, as 10.0.0.2:/share of a Filestore",
                "CloudTPU.spot",
            )

    @property
    def chips(self) -> tuple[str, int]:
        """The kind of chip, and how many."""
        found = re.fullmatch(r"([a-z0-9]+)-([1-9]\d*)", self.type)
        if not found or found[1] not in KINDS:
            kinds = ", ".join(f"{kind}-…" for kind in KINDS)
            raise Refusal(f"CloudTPU.type={self.type!r}; the kinds are {kinds}", "CloudTPU.type")
        many = int(found[2]) // (2 if found[1] in CORES else 1)
        return KINDS[found[1]], many * self.slices

    def launched(self, job: Job) -> list[Call]:
        """What starts a run: the request, and once it is granted, what each slice is told.

        Args:
          job: the run.

        Returns:
          The calls.
        """
        return [self._made(job), self._state(job), *self._copied(job), *self._started(job)]

    def cleaned(self, job: Job) -> list[Call]:
        """What deletes the request and its machines.

        Args:
          job: the run.

        Returns:
          The calls.
        """
        return [
            Call(
                (*self._asked("delete", job.name), "--force", "--quiet"),
                "deletes the request, and the machines with all that runs on them",
            )
        ]

    def run(self, job: Job, say: Callable[[str], None], stop: Callable[[], bool]) -> int:
        """Stays until the run is done, and deletes the machines then.

        Why they stay when the run fails: to be looked at.

        Args:
          job: the run.
          say: told what one would want to know.
          stop: asked whether to.

        Returns:
          The exit status.
        """
        left = job.starts
        while True:
            self._wait(job, say)
            for call in self._copied(job):
                call.run()
            say("the run starts; without this command it goes on, and is not asked for again")
            began = [call.begin() for call in self._started(job)]
            status = worst([one.wait() for one in began])
            if not status:
                say("the run is done")
                self.cleaned(job)[0].run()
                return 0
            time.sleep(PAUSE)  # for what is taken away is listed as there for a while
            if self._look(job) == READY:
                left -= 1
                if status < OTHERWISE or not left:
                    say(f"ended with status {status}; the machines stay until --cleanup")
                    return status
                say(f"ended with status {status}; starts again, {left} left")
            else:
                say("the machines were taken away")

    def _wait(self, job: Job, say: Callable[[str], None]) -> None:
        """Until the machines are there."""
        said, is_made, left = "", False, job.starts  # what was made is not always listed at once
        while (state := self._look(job)) != READY:
            if state in GONE:
                if not left:
                    describe = line(self._state(job).words[:-1])
                    raise ValueError(f"the request is {state.lower()} again; {describe} says why")
                left -= 1
                say(f"the request is {state.lower()}; it is deleted, and made again")
                self.cleaned(job)[0].run()
                state, is_made = "", False
            if not state and not is_made:
                self._made(job).run()
                is_made = True
            elif state and state != said:
                say(f"the request is {state.lower().replace('_', ' ')}")
                said, is_made = state, False
            time.sleep(PAUSE)

    def _look(self, job: Job) -> str:
        """The state of the request; "" where there is none."""
        found = Call(
            (
                *self._gcloud("queued-resources", "list"),
                *(f"--filter=name~/{job.name}$", "--format=value(state.state)"),
            )
        ).output()
        return found.splitlines()[0].strip() if found else ""

    def _gcloud(self, group: str, verb: str, *names: str) -> tuple[str, ...]:
        project = (f"--project={self.project}",) if self.project else ()
        return ("gcloud", "compute", "tpus", group, verb, *names, f"--zone={self.zone}", *project)

    def _asked(self, verb: str, *names: str) -> tuple[str, ...]:
        return self._gcloud("queued-resources", verb, *names)

    def _made(self, job: Job) -> Call:
        nodes: tuple[str, ...] = (f"--node-id={job.name}",)
        if self.slices > 1:
            nodes = (f"--node-count={self.slices}", f"--node-prefix={job.name}")
        account = (f"--service-account={self.service_account}",) if self.service_account else ()
        return Call(
            (
                *self._asked("create", job.name),
                *nodes,
                f"--accelerator-type={self.type}",
                f"--runtime-version={self.runtime}",
                *(("--spot",) if self.spot else ()),
                *account,
            ),
            "asks for the machines",
        )

    def _state(self, job: Job) -> Call:
        words = (*self._asked("describe", job.name), "--format=value(state.state)")
        return Call(words, f"until it says {READY}")

    def _nodes(self, job: Job) -> list[str]:
        if self.slices == 1:
            return [job.name]
        return [f"{job.name}-{number}" for number in range(self.slices)]

    def _copied(self, job: Job) -> list[Call]:
        script = str(experiments.home() / "experiments" / "launch" / SCRIPT)
        return [
            Call(
                (*self._gcloud("tpu-vm", "scp", script, f"{node}:{SCRIPT}"), "--worker=all"),
                "what each host does",
            )
            for node in self._nodes(job)
        ]

    def _started(self, job: Job) -> list[Call]:
        about = (job.name, self.image, self.share, self.mount, " ".join(job.secrets))
        said = line(("bash", SCRIPT, *about, *job.command("archlab")))
        return [
            Call(
                (*self._gcloud("tpu-vm", "ssh", node), "--worker=all", f"--command={said}"),
                "the run itself, on all slices at once",
            )
            for node in self._nodes(job)
        ]
