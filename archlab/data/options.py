"""Options: what a user says of the text: where it is, and how it is encoded."""

import dataclasses

from archlab.data import reports

WINDOWS, EXAMPLES, STREAMING = ROADS = ("windows", "examples", "streaming")


@dataclasses.dataclass(frozen=True)
class Data:
    """Where the text is.

    Args:
      folder: of the user's own .txt and .jsonl files, for the tasks `folder_…`.
      vocabulary: path of a tokenizer for all tasks but `python_stdlib_…`; "" is bytes.
      tfds: where TensorFlow Datasets keeps its files; its own default unless given.
      c4: what it calls the data set of the tasks `c4_…`, with its version.
      wikipedia: the same, for `wikipedia_…`.
      code: the same, for `code_…`; the user's own.
      code_languages: to keep of it, such as "python, c++"; all of them unless given.
      multilingual: the same, for `multilingual_…`.
      languages: of `multilingual_…`, such as "de, sw"; all of mC4's unless given.
      road: how all tasks become rows, "windows", "examples" or "streaming"; "" lets each take the
        first of them that it can.
      cache: folder or bucket where stores are kept; ARCHLAB_CACHE, or ~/.cache/archlab, unless
        given.
      broken_shards: how many shards of a store may be left out because they are missing or have
        changed.

    Raises:
      ValueError: a number below 0.
    """

    folder: str | None = None
    vocabulary: str = ""
    tfds: str | None = None
    c4: str = "c4/en:3.1.0"
    wikipedia: str = "wikipedia/20230601.en:1.0.0"
    code: str = ""
    code_languages: str = ""
    multilingual: str = "c4/multilingual:3.1.0"
    languages: str = ""
    road: str = ""
    cache: str | None = None
    broken_shards: int = 0

    def __post_init__(self):
        if self.broken_shards < 0:
            raise ValueError(f"Data.broken_shards={self.broken_shards}; it is 0 or more")


@dataclasses.dataclass(frozen=True)
class Work:
    """How text is encoded, which does not decide what it becomes.

    Args:
      workers: processes at work.
      runner: Apache Beam's, in their place; "" is none.
      options: of the runner.
      shards: of a store that is made; None cuts by number of documents.
      every: seconds between two reports.
      encode: whether it is encoded, or only found, with its vocabulary and its objectives.

    Raises:
      ValueError: a number below 1.
    """

    workers: int = 1
    runner: str = ""
    options: tuple[str, ...] = ()
    shards: int | None = None
    every: float = reports.SELDOM
    encode: bool = True

    def __post_init__(self):
        for name in ("workers", "shards"):
            if (many := getattr(self, name)) is not None and many < 1:
                raise ValueError(f"{name}={many}; it is 1 or more")
