"""The cache: text encoded ahead of training, with a bar that says how far it is."""

import contextlib
import sys
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from archlab.data import reports
from archlab.data.options import EXAMPLES, WINDOWS, Data, Work
from archlab.data.recipes import prepare
from archlab.data.reports import Report
from archlab.data.sources import SPLITS
from archlab.data.store import Store

STOPPED = 130  # exit status


def cache(
    tasks: list[str], data: Data, modules: tuple[str, ...], work: Work, console: Console
) -> None:
    """Encodes what tasks need, and says what there is.

    Args:
      tasks: names of SeqIO tasks or mixtures.
      data: where the text is, and where it goes.
      modules: the user's own Python, which registers tasks.
      work: how to go about it; how often it reports is decided here.
      console: where to say it.

    Raises:
      ValueError: a task or a text that cannot be used.
    """
    every = reports.OFTEN if console.is_terminal else reports.SELDOM
    work = Work(**{**vars(work), "every": every})
    preparation = prepare(tasks, data, modules, work)
    try:
        with _shown(console) as tell:
            recipes = preparation.wait(tell)
    except KeyboardInterrupt:
        console.print(f"stopped; the same command goes on from the last shard in {data.cache}")
        sys.exit(STOPPED)
    finally:
        preparation.close()
    found: dict[object, str] = {}
    for recipe in recipes.values():
        for split in SPLITS:
            both = zip(recipe.stores(split), recipe.roads, strict=True)
            found |= {one.path: described(one, road) for one, road in both if one}
    for line in found.values():
        console.print(Text(line))


def described(store: Store, road: str = WINDOWS) -> str:
    """Says what a store holds.

    Args:
      store: any.
      road: of the tasks that read it; of examples, sizes are not those of a text.

    Returns:
      A line: name, counts and place.
    """
    said = store.manifest
    odd = {bucket: many for bucket, many in said["counts"].items() if bucket != "kept" and many}
    parts = [
        f"{store.documents:,} documents",
        f"{store.tokens:,} tokens",
        f"{said['bytes']:,} {'of them given' if road == EXAMPLES else 'bytes of text'}",
        f"{len(said['shards'])} shards" if len(said["shards"]) > 1 else "1 shard",
        *(f"{many:,} {bucket.replace('_', ' ')}" for bucket, many in odd.items()),
    ]
    return f"{said['source']}-{said['split']}: {', '.join(parts)}; {store.path}"


@contextlib.contextmanager
def _shown(console: Console) -> Iterator[Callable[[Report], None]]:
    """A bar for each store on a terminal, and lines elsewhere."""
    if not console.is_terminal:
        yield lambda report: console.print(Text(str(report)))
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        bars = {}

        def tell(report: Report) -> None:
            if report.name not in bars:
                bars[report.name] = progress.add_task("", total=report.total)
            progress.update(bars[report.name], completed=report.documents, description=str(report))

        yield tell
