"""Beam: the shares of a store, done by an Apache Beam runner.

A worker of the runner does what a process of `build` does, from the same request: it registers the
tasks, reads its part of the source, and writes its shards into the place of the store, which all
workers and whoever started them must see. Needs the extra `beam`.
"""

import functools
import json
import threading

from archlab.data import jobs, reports
from archlab.data.cut import Share, shares
from archlab.data.jobs import Job
from archlab.data.reports import Tally


def run(todo: list[Job], request: dict, tally: Tally) -> None:
    """Writes the shards of stores.

    Args:
      todo: the stores.
      request: see `build.build`; "runner" and "options" are Beam's.
      tally: told of the shards that are finished.

    Raises:
      ValueError: Apache Beam is not installed.
    """
    try:
        import apache_beam
        from apache_beam.options.pipeline_options import PipelineOptions
    except ImportError as error:
        raise ValueError(
            f"runner={request['runner']!r} needs Apache Beam ({error}): pip install 'archlab[beam]'"
        ) from error
    work = [
        (job.path, share)
        for job in todo
        # Each part is a share; where there is one, each worker has one.
        for worker in shares(job.writer.cut.parts, max(job.writer.cut.parts, request["workers"]))
        for share in worker
    ]
    options = PipelineOptions([f"--runner={request['runner']}", *request["options"]])
    over = threading.Event()
    watch = threading.Thread(target=_watch, args=(todo, request.get("every"), tally, over))
    watch.start()
    try:
        with apache_beam.Pipeline(options=options) as pipeline:
            shared = pipeline | apache_beam.Create(work) | apache_beam.Reshuffle()
            _ = shared | apache_beam.Map(functools.partial(write, json.dumps(request)))
    finally:
        over.set()
        watch.join()
    _tell(todo, tally)


def write(request: str, one: tuple[str, Share]) -> None:
    """Writes a share, in a worker of the runner.

    Args:
      request: see `build.build`, as JSON.
      one: path of a store, and a share of it.
    """
    path, share = one
    _jobs(request)[path].write(share, lambda name, documents, tokens: None)


@functools.lru_cache(maxsize=1)
def _jobs(request: str) -> dict[str, Job]:
    asked = json.loads(request)
    jobs.register(asked)
    return {job.path: job for job in jobs.every(asked)}


def _watch(todo: list[Job], every: float | None, tally: Tally, over: threading.Event) -> None:
    while not over.wait(every or reports.SELDOM):
        _tell(todo, tally)


def _tell(todo: list[Job], tally: Tally) -> None:
    for job in todo:
        tally.put(job.name, 0, *job.writer.done())
