"""Machines: what a place where runs are started has to say of itself."""

import dataclasses
from collections.abc import Callable

from archlab.launch.call import Call, Job, word
from archlab.refusal import Refusal

OTHERWISE = 3  # exit status from which on another start may end otherwise; 1 and 2 are for good
SIGNALS = 128  # a shell's offset for what a signal ended


@dataclasses.dataclass(frozen=True)
class Machines:
    """A place where runs are started, which is asked for one and then left alone.

    Others, which have to be watched, say in `run` what is done with their calls.
    """

    @property
    def chips(self) -> tuple[str, int]:
        """The kind of chip, "" where none is named, and how many; 0 if not known."""
        return "", 0

    @property
    def is_elsewhere(self) -> bool:
        """Whether paths mean something else there than here."""
        return True

    def out(self, name: str) -> str:
        """The run directory where none is named.

        Args:
          name: of the experiment.

        Returns:
          A path, there.
        """
        return f"runs/{name}"

    def launched(self, job: Job) -> list[Call]:
        """What starts a run, one call after another.

        Args:
          job: the run.

        Returns:
          The calls.
        """
        raise AssertionError(f"{type(self).__name__} does not say how runs are started")

    def followed(self, job: Job) -> list[Call]:
        """What shows what a run says while it runs.

        Args:
          job: the run.

        Returns:
          The calls; none where starting it shows that.
        """
        return []

    def cleaned(self, job: Job) -> list[Call]:
        """What stops a run and deletes what was made for it, but not what it wrote.

        Args:
          job: the run.

        Returns:
          The calls; none where nothing is left.
        """
        return []

    def run(self, job: Job, say: Callable[[str], None], stop: Callable[[], bool]) -> int:
        """Starts a run.

        Args:
          job: the run.
          say: told what one would want to know.
          stop: asked whether to, where somebody has to stay.

        Returns:
          The exit status.

        Raises:
          ValueError: a program is not there, or fails.
        """
        for call in self.launched(job):
            call.run()
        return 0

    def _words(self, *names: str, may_be_empty: bool = False) -> None:
        """Refuses settings that are no words."""
        for name in names:
            word(f"{type(self).__name__}.{name}", getattr(self, name), may_be_empty)

    def _counts(self, **least: int) -> None:
        """Refuses settings that are less than they can be."""
        for name, low in least.items():
            if getattr(self, name) < low:
                setting = f"{type(self).__name__}.{name}"
                said = f"{setting}={getattr(self, name)}; it is {low} or more"
                raise Refusal(said, setting)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Slices(Machines):
    """Slices of TPUs, whose hosts run a container each.

    Args:
      image: of the container, from the Dockerfile.
      slices: how many, all of one shape.
      mount: where the disk is seen that hosts share, if they share one.

    Raises:
      ValueError: what is no word, or no slice.
    """

    image: str
    slices: int = 1
    mount: str = "/share"

    def __post_init__(self):
        self._words("image", "mount")
        self._counts(slices=1)

    def out(self, name: str) -> str:
        """The run directory where none is named: where a disk that they share is seen.

        Args:
          name: of the experiment.

        Returns:
          A path, there.
        """
        return f"{self.mount}/runs/{name}"


def worst(statuses: list[int]) -> int:
    """What processes that ran together came to.

    Example:
      >>> worst([0, 0]), worst([75, 2]), worst([75, -9])
      (0, 2, 137)

    Args:
      statuses: of each; the negative of a signal's number where one ended it.

    Returns:
      0 if all are; a failure that would come again, if there is one; else the greatest.
    """
    said = [SIGNALS - one if one < 0 else one for one in statuses]
    return max([one for one in said if 0 < one < OTHERWISE] or said)
