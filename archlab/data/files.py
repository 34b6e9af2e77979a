"""Files: text of one's own as a source of SeqIO tasks, with a part held out.

`source("notes/*.jsonl", text="body")` reads whatever kind of file `records` knows. What is in a
bucket, or in another form, is for SeqIO's own sources.
"""

import functools
from collections.abc import Callable, Mapping, Sequence

import seqio
import tensorflow as tf

from archlab.data import pairs, sources
from archlab.data.pairs import Pair, Pairs
from archlab.data.sources import SPLITS, VALIDATION, Source


class Files(seqio.DataSource):
    """A source whose documents archlab reads itself.

    Its examples are {"text": bytes}, or {"inputs": bytes, "targets": bytes}.

    Args:
      found: asked for the files of a split when they are read: naming a task reads nothing.
      splits: that there are.
      sides: "text", or "inputs" and "targets".
      watched: patterns of the files of each split; text is encoded anew when they change.
      facts: that decide its text, besides what is in the files; JSON-able.
    """

    def __init__(
        self,
        found: Callable[[str], Source],
        splits: Sequence[str] = SPLITS,
        sides: tuple[str, ...] = (sources.TEXT,),
        watched: Mapping[str, Sequence[str]] | None = None,
        facts: Sequence | None = None,
    ):
        super().__init__(splits)
        self._found, self._sides, self.facts = found, sides, facts
        self._split_to_filepattern = watched or {}  # as SeqIO's own sources of files call it
        self.counts: Mapping[str, int] = {}  # of the latest reading

    @property
    def supports_arbitrary_sharding(self) -> bool:
        """False: a part is some of the files."""
        return False

    def list_shards(self, split: str) -> Sequence[str]:
        """Args: split: one of `splits`. Returns: names of what can be read apart."""
        return self._found(split).files if self._split_to_filepattern else [split]

    def get_dataset(
        self,
        split: str = "train",
        shuffle: bool = True,
        seed: int | None = None,
        shard_info: seqio.ShardInfo | None = None,
        **unused,
    ) -> tf.data.Dataset:
        """Reads a split.

        Args:
          split: one of `splits`.
          shuffle: unused; files are read in order.
          seed: unused.
          shard_info: which part of the files; all of them unless given.
          **unused: of SeqIO's own.

        Returns:
          Its examples.
        """
        source = self._found(split)
        part = (shard_info.index, shard_info.num_shards) if shard_info else (0, 1)
        self.counts = source.counts

        def examples():
            for one in source.documents(split, *part):
                texts = (one.inputs, one.text) if isinstance(one, Pair) else (one.text,)
                yield dict(zip(self._sides, map(sources.utf8, texts), strict=True))

        signature = {side: tf.TensorSpec([], tf.string) for side in self._sides}
        return tf.data.Dataset.from_generator(examples, output_signature=signature)


def source(
    paths: str | Sequence[str] | Mapping[str, str | Sequence[str]],
    text: str = sources.TEXT,
    inputs: str = "",
    targets: str = "",
    held_out: int = VALIDATION,
) -> Files:
    """Names files as a source of texts, or of pairs for `supervision.register`.

    Example:
      tasks.register("wiki", files.source("wiki/*.jsonl.gz", text="body"))
      tasks.register("web", files.source({"train": "a.parquet", "validation": "b.parquet"}))
      supervision.register("quiz", files.source("q.jsonl", inputs="question", targets="answer"))

    Args:
      paths: of files, patterns of them, or folders; those of each split, or of all text.
      text: the field that holds the text, where a file has fields.
      inputs: the field that holds what is asked, of pairs.
      targets: the field that holds what is to be said to it, of pairs.
      held_out: of text without splits, one document in so many is for validation; 0 for none.

    Returns:
      The source; the same one for the same arguments.

    Raises:
      ValueError: one side of a pair without the other, a split that is neither "train" nor
        "validation", or nothing left to learn from.
    """
    if held_out < 0 or held_out == 1:
        raise ValueError(f"held_out={held_out}; one document in 2 or more, or 0 for none")
    if bool(inputs) != bool(targets):
        raise ValueError(f"inputs={inputs!r} and targets={targets!r}: a pair has both")
    split = paths if isinstance(paths, Mapping) else {"train": paths}
    if not {"train"} <= {*split} <= {*SPLITS}:
        raise ValueError(f"splits {', '.join(split)}; there are train and validation")
    named = tuple(
        (name, (where,) if isinstance(where, str) else tuple(where))
        for name, where in split.items()
    )
    is_cut = not isinstance(paths, Mapping)
    return _source(named, (inputs, targets) if inputs else (text,), held_out if is_cut else 0)


@functools.cache
def _source(named: tuple[tuple[str, tuple]], fields: tuple[str, ...], held_out: int) -> Files:
    where = dict(named)
    splits = SPLITS if held_out else tuple(where)

    def found(split: str) -> Source:
        kind, sides = (Pairs, fields) if len(fields) > 1 else (Source, fields)
        paths = where.get(split, where["train"])
        root, names = sources.rooted(sources.found(paths), paths)
        return kind("files", root, names, sides, held_out)

    watched = {name: sources.patterns(paths) for name, paths in named}
    sides = pairs.NAMES if len(fields) > 1 else (sources.TEXT,)
    return Files(found, splits, sides, watched, [fields, held_out])


@functools.cache
def own(name: str, folder: str | None) -> Files:
    """Makes a source of text that archlab knows.

    Args:
      name: of `sources.SOURCES`.
      folder: for `sources.folder`.

    Returns:
      It; the same one for the same arguments.
    """
    return Files(lambda split: sources.SOURCES[name](folder))


@functools.cache
def own_pairs(name: str, folder: str | None) -> Files:
    """Makes a source of pairs that archlab knows.

    Args:
      name: of `sources.SOURCES`.
      folder: for `sources.folder`.

    Returns:
      It; the same one for the same arguments.
    """
    return Files(lambda split: pairs.pairs(name, folder), sides=pairs.NAMES)
