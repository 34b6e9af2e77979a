"""The build process: mixtures to token stores and recipes, beside the process that trains.

`python -m archlab.data.build REQUEST` reads the request of `recipes.prepare`, and ends when its
standard input closes, for then whoever asked is gone. What the user can put right is one line on
standard output, with the setting that it is about behind a tab, and exit status 2; how far it is,
other lines (`reports.py`).

With workers it starts itself again, once for each, with the worker's number behind REQUEST.
"""

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterable
from pathlib import Path

from archlab.data import jobs, reports, sources
from archlab.data.cut import shares
from archlab.data.jobs import Job
from archlab.data.places import Place
from archlab.data.reports import Tally
from archlab.refusal import Refusal

WRONG = 2


def build(request: dict, path: str = "") -> None:
    """Writes the recipe of each mixture, and the stores that it needs.

    Args:
      request: "data" (the fields of `Data`), "modules", "encoding" (digest of what encodes) and
        "recipes", the path of each mixture's; "workers", "runner", "options" and "shards", how to
        go about it; "every", seconds between two reports; "encode", whether there is more to
        do than to write recipes.
      path: of the request, for workers.

    Raises:
      ValueError: a mixture, a module or a text that cannot be used.
    """
    jobs.register(request)
    every = jobs.every(request)
    if not request.get("encode", True):
        _keep(request, dict.fromkeys(job.path for job in every))
        return
    todo = [job for job in every if not job.writer.is_done]
    tally = Tally(_say, request.get("every"))
    for job in todo:
        job.writer.begin()
        tally.begin(job.name, job.documents.known())
    if todo and request.get("runner"):
        from archlab.data import beam

        beam.run(todo, request, tally)
    elif todo and request.get("workers", 1) > 1:
        _together(path, request["workers"], tally)
    else:
        _alone(todo, tally)
    for job in todo:
        tally.report(job.name)
    _keep(request, {job.path: job.finish() for job in every})


def _keep(request: dict, stores: dict[str, str | None]) -> None:
    """Writes the recipes."""
    for name, recipe in request["recipes"].items():
        content = json.dumps(cook(name, request, stores), indent=2) + "\n"
        folder, _, file = recipe.rpartition("/")
        Place(folder).write(file, content.encode())


def work(request: dict, worker: int) -> None:
    """Does a worker's share of every store.

    Args:
      request: see `build`.
      worker: its number, from 0.

    Raises:
      ValueError: a text that cannot be used.
    """
    jobs.register(request)
    tally = Tally(_say, request.get("every") or reports.OFTEN)
    for job in jobs.every(request):
        tally.begin(job.name)
        for share in shares(job.writer.cut.parts, request["workers"])[worker]:
            job.write(share, tally.add)
        tally.report(job.name)


def cook(mixture: str, request: dict, stores: dict[str, str | None]) -> dict:
    """Says where what a mixture needs is, once it is encoded.

    Args:
      mixture: name of a SeqIO task or mixture.
      request: see `build`.
      stores: those that there are, and None for those without text.

    Returns:
      The recipe, JSON-able: "vocabulary" and "tasks"; "request", for those that are streamed; and
      what it follows from, "encoding", "fingerprints" and "files".

    Raises:
      ValueError: tasks of two vocabularies.
    """
    parts = jobs.parts(mixture, request)
    return {
        "vocabulary": parts[0].vocabulary.spec(),
        "tasks": [
            {
                "name": part.task.name,
                "rate": part.rate,
                "road": part.road,
                "objective": part.objective,
                "parameters": part.parameters,
                "absent": jobs.absent(part, request),
                "splits": [split for split in sources.SPLITS if split in part.task.splits],
                "stores": {
                    split: stores[job.path] for split, job in jobs.of(part, request).items()
                },
            }
            for part in parts
        ],
        "encoding": request["encoding"],
        "fingerprints": _all(jobs.fingerprints(part, request) for part in parts),
        "files": _all(jobs.files(part) for part in parts),
    }


def _all(facts: Iterable[dict]) -> dict:
    return {name: fact for one in facts for name, fact in one.items()}


def _alone(todo: list[Job], tally: Tally) -> None:
    for job in todo:
        for share in shares(job.writer.cut.parts, 1)[0]:
            job.write(share, tally.add)


def _together(path: str, workers: int, tally: Tally) -> None:
    """Starts the workers, and waits for all of them, or for the first that fails."""
    command = [sys.executable, "-W", "ignore", "-m", "archlab.data.build", path]
    with contextlib.ExitStack() as closing:
        started = []
        for worker in range(workers):
            one = subprocess.Popen(
                [*command, str(worker)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            closing.callback(_stop, one)
            started.append(one)
        said = [""] * workers

        def listen(worker: int) -> None:
            for line in started[worker].stdout:
                if report := reports.read(line):
                    tally.put(report.name, worker, report.documents, report.tokens)
                else:
                    said[worker] = line.strip() or said[worker]

        threads = [threading.Thread(target=listen, args=(worker,)) for worker in range(workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for worker, one in enumerate(started):
            status = one.wait()
            if status == WRONG:
                what, _, about = said[worker].partition("\t")
                raise Refusal(what, about)
            if status:
                raise RuntimeError(f"worker {worker} ended with status {status}: {said[worker]}")


def _stop(process: subprocess.Popen) -> None:
    if process.poll() is None:
        process.kill()
    process.wait()
    process.stdin.close()
    process.stdout.close()


def _say(line: str) -> None:
    print(line, flush=True)


def _end_with_parent() -> None:
    """Waits until the standard input closes, for then whoever asked is gone."""
    while os.read(0, 1):
        pass
    os._exit(1)


def main() -> int:
    """Reads the request and builds, or does a worker's share.

    Returns:
      The exit status.
    """
    path, *worker = sys.argv[1:]
    request = json.loads(Path(path).read_text())
    try:
        work(request, int(worker[0])) if worker else build(request, path)
    except ValueError as error:
        about = getattr(error, "about", "")
        _say(f"{' '.join(str(error).split())}\t{about}")
        return WRONG
    return 0


if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.exit(main())
