"""Beam: the shares of a store, done by an Apache Beam runner.

A worker of the runner does what `build` does, from the same request: it registers the tasks, reads
its part of the source, and writes its shards into the place of the store, which all workers and
whoever started them must see. Needs the extra `beam`.
"""

import threading
from collections.abc import Iterable

import apache_beam
from apache_beam.options.pipeline_options import PipelineOptions

from archlab.data import jobs, tasks
from archlab.data.jobs import Job
from archlab.data.plan import Share, shares
from archlab.data.reports import OFTEN, Tally


class Encode(apache_beam.DoFn):
    """Writes shares.

    Args:
      request: see `build.build`.
    """

    def __init__(self, request: dict):
        self._request = request

    def setup(self) -> None:
        """Registers the tasks, once in each worker."""
        jobs.register(self._request)

    def process(self, one: tuple[str, Share]) -> Iterable[str]:
        """Args: one: path of a store, and a share of it. Returns: nothing, when it is written."""
        path, share = one
        for name in self._request["recipes"]:
            for part in tasks.resolve(name):
                for job in jobs.of(part, self._request).values():
                    if job.path == path:
                        job.write(share, lambda name, documents, tokens: None)
                        return []
        raise ValueError(f"no mixture of {sorted(self._request['recipes'])} needs {path}")


def run(todo: list[Job], request: dict, tally: Tally) -> None:
    """Writes the shards of stores.

    Args:
      todo: the stores.
      request: see `build.build`; "runner" and "options" are Beam's.
      tally: told of the shards that are finished.
    """
    work = [
        (job.path, share)
        for job in todo
        for worker in shares(job.writer.plan.parts, _many(job, request))
        for share in worker
    ]
    options = PipelineOptions([f"--runner={request['runner']}", *request.get("options", [])])
    over = threading.Event()

    def look() -> None:
        while not over.wait(request.get("every") or OFTEN):
            _tell(todo, tally)

    watch = threading.Thread(target=look)
    watch.start()
    try:
        with apache_beam.Pipeline(options=options) as pipeline:
            shared = pipeline | apache_beam.Create(work) | apache_beam.Reshuffle()
            _ = shared | apache_beam.ParDo(Encode(request))
    finally:
        over.set()
        watch.join()
    _tell(todo, tally)


def _many(job: Job, request: dict) -> int:
    """Each part is a share; where there is one, each worker has one."""
    return max(job.writer.plan.parts, request.get("workers", 1))


def _tell(todo: list[Job], tally: Tally) -> None:
    for job in todo:
        tally.put(job.name, 0, *job.writer.done())
