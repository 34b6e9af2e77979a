"""Corpora: C4, Wikipedia, code and many languages, as TensorFlow Datasets prepared them.

A name says which data set, configuration and version, `c4/en:3.1.0`, and a directory says where
TensorFlow Datasets put it. Naming a corpus reads nothing, and reading one downloads nothing: what
was not prepared is refused, with the command that prepares it.
"""

import functools
import os
from collections.abc import Iterable

import seqio
import tensorflow as tf
import tensorflow_datasets as datasets
from tensorflow_datasets.core.utils.file_utils import list_data_dirs

from archlab.data.options import Data
from archlab.data.pairs import NAMES
from archlab.data.sources import SPLITS, TEXT
from archlab.spelling import nearest

CODE = ("content", "code", "text")  # where data sets of code keep a file's text
LANGUAGE = ("lang", "language")  # and where what it is written in
MULTILINGUAL = "multilingual"
EXPONENT = 0.3  # of a language's size, Xue et al. 2021, section 3.2


class Prepared(seqio.TfdsDataSource):
    """A data set that TensorFlow Datasets has prepared; found when it is first read.

    Its examples are {"text": bytes}, whatever its own fields are called, or pairs.

    Args:
      name: see `tfds`; "" is refused when it is read.
      text: fields that may hold the text; the first that is there does.
      pair: fields that hold the two sides, of pairs.
      data_dir: see `tfds`.
      splits: see `tfds`.
      language: fields that may hold the language; the first that is there does.
      languages: to keep, in any case of letters; all of them if empty.

    Raises:
      ValueError: the name is none, or names no version.
    """

    def __init__(
        self,
        name: str,
        text: tuple[str, ...] = (TEXT,),
        data_dir: str | None = None,
        splits: tuple[str, str] | None = None,
        language: tuple[str, ...] = LANGUAGE,
        languages: tuple[str, ...] = (),
        pair: tuple[str, ...] = (),
    ):
        if name:
            _parts(name)
        where = None if data_dir is None else os.path.expanduser(data_dir)
        super().__init__(name, where, SPLITS, read_only=True)
        self._name, self._splits_said = name, splits
        self._language, self._languages = language, languages
        sides = dict(zip(NAMES, pair, strict=True)) if pair else {}
        own: dict[str, tuple[str, ...]] = {side: (field,) for side, field in sides.items()}
        self._sides = own or {TEXT: text}

    @property
    def facts(self) -> list:
        """What its text is decided by, besides what the data set holds; JSON-able."""
        return [self._name, self._sides, self._splits_said, self._language, self._languages]

    @property
    def absent(self) -> str:
        """What is missing before it can be read, and what prepares it; "" if nothing is."""
        try:
            self._found  # noqa: B018 - looked for
        except ValueError as error:
            return str(error)
        return ""

    @functools.cached_property
    def tfds_dataset(self) -> seqio.utils.LazyTfdsLoader:
        """SeqIO's own reader of it.

        Raises:
          ValueError: it is not prepared, or has no such splits.
        """
        place, splits = self._found
        return seqio.utils.LazyTfdsLoader(self._name, place, splits, read_only=True)

    @functools.cached_property
    def _found(self) -> tuple[str, dict[str, str]]:
        """The directory that holds it, and what it calls the splits."""
        if not self._name:
            raise ValueError("no data set is named; say which: --set Data.code=NAME:VERSION")
        # SeqIO's property heeds `seqio.set_tfds_data_dir_override`.
        place = _place(self._name, super().tfds_dataset.data_dir)
        known = datasets.builder(self._name, data_dir=place).info.splits
        chosen = self._splits_said or ("train", "validation")
        if not self._splits_said and "validation" not in known:
            chosen = ("train[:99%]", "train[99%:]")
        for word in "+".join(chosen).split("+"):
            split = word.partition("[")[0]
            if split not in known:
                raise ValueError(f"{self._name} has no split {split!r}{nearest(split, known)}")
        return place, dict(zip(SPLITS, chosen, strict=True))

    def get_dataset(self, split: str = "train", *arguments: object, **settings) -> tf.data.Dataset:
        """Reads a split.

        Args:
          split: "train" or "validation".
          *arguments: as SeqIO's.
          **settings: as SeqIO's.

        Returns:
          Its examples, always in the same order unless they are to be shuffled.

        Raises:
          ValueError: it is not prepared, or has no such splits or fields.
        """
        if not self.tfds_dataset.info.splits[self._found[1][split]].file_instructions:
            none = {side: tf.constant([], tf.string) for side in self._sides}
            return tf.data.Dataset.from_tensor_slices(none)
        dataset = super().get_dataset(split, *arguments, **settings)
        own = {side: self._field(dataset, names) for side, names in self._sides.items()}
        if self._languages:
            language = self._field(dataset, self._language)
            wanted = tf.constant([one.lower() for one in self._languages])
            dataset = dataset.filter(
                lambda one: tf.reduce_any(tf.strings.lower(one[language]) == wanted)
            )
        return dataset.map(
            lambda one: {side: one[name] for side, name in own.items()},
            num_parallel_calls=tf.data.AUTOTUNE,
        )

    def _field(self, dataset: tf.data.Dataset, names: tuple[str, ...]) -> str:
        spec = dataset.element_spec
        texts = {name for name in spec if getattr(spec[name], "dtype", None) == tf.string}
        for name in names:
            if name in texts:
                return name
        words = " or ".join(map(repr, names))
        raise ValueError(f"{self._name} has no text in a field {words}{nearest(names[0], texts)}")


_prepared = functools.cache(Prepared)  # so that registering twice is seen to be the same


def tfds(
    name: str,
    text: str = TEXT,
    data_dir: str | None = None,
    splits: tuple[str, str] | None = None,
    inputs: str = "",
    targets: str = "",
) -> Prepared:
    """Names a data set that TensorFlow Datasets has prepared, as a source of tasks.

    Example:
      tasks.register("mine", corpora.tfds("mine:1.0.0", text="body", data_dir="~/data"))

    Args:
      name: NAME:VERSION or NAME/CONFIG:VERSION. What is encoded is found again by it, so a version
        names one text for good; 3.*.* is refused.
      text: the field that holds the text.
      data_dir: where it was prepared, which may be a bucket; TensorFlow Datasets' own default
        unless given.
      splits: its splits, or slices of them, for training and validation. Unless given, these are
        "train" and "validation", and where it has no "validation", train[:99%] and train[99%:].
      inputs: the field that holds what is asked, of pairs, for `supervision.register`.
      targets: the field that holds what is to be said to it.

    Returns:
      The source; the same one for the same arguments.

    Raises:
      ValueError: the name is none, or names no version; or a pair has one side.
    """
    if bool(inputs) != bool(targets):
        raise ValueError(f"inputs={inputs!r} and targets={targets!r}: a pair has both")
    pair = (inputs, targets) if inputs else ()
    return _prepared(name, (text,), data_dir, splits, pair=pair)


def sources(data: Data) -> dict[str, Prepared]:
    """Names the corpora that archlab knows.

    Args:
      data: their names, and where they are.

    Returns:
      The sources `c4`, `wikipedia` and `code`, and one for each language of `multilingual`, such as
      `multilingual_de`: its splits are mC4's, "de" and "de-validation".

    Raises:
      ValueError: a name is none, or names no version.
    """
    found = {
        "c4": _prepared(data.c4, data_dir=data.tfds),
        "wikipedia": _prepared(data.wikipedia, data_dir=data.tfds),
        "code": _prepared(data.code, CODE, data.tfds, languages=_listed(data.code_languages)),
    }
    for language in languages(data):
        splits = (language, f"{language}-validation")
        found[_base(language)] = _prepared(data.multilingual, (TEXT,), data.tfds, splits)
    return found


def languages(data: Data) -> tuple[str, ...]:
    """Lists the languages of the `multilingual_…` tasks.

    Args:
      data: which says them; mC4 has 101, 6 of them in Latin script too.

    Returns:
      Their codes, each once.
    """
    mc4 = datasets.builder_cls("c4").builder_configs["multilingual"].languages
    return _listed(data.languages) or tuple(mc4)


def mix(data: Data, objectives: Iterable[str]) -> None:
    """Registers the mixtures of languages, such as `multilingual_causal_lm`.

    A language of n documents comes with rate n^0.3, so that the small ones are seen more often than
    they are large. SeqIO asks for n when the mixture is read.

    Args:
      data: which says the languages.
      objectives: that tasks of each language are registered with.

    Raises:
      ValueError: such a mixture is there, of other languages.

    Source: Xue et al. 2021, section 3.2; `DEFAULT_MIX_RATE` of google-research/multilingual-t5.
    """
    rate = functools.partial(seqio.mixing_rate_num_examples, temperature=1 / EXPONENT)
    for objective in objectives:
        name = f"{MULTILINGUAL}_{objective}"
        tasks = [f"{_base(language)}_{objective}" for language in languages(data)]
        if name not in seqio.MixtureRegistry.names():
            seqio.MixtureRegistry.add(name, tasks, default_rate=rate)
        elif {task.name for task in seqio.MixtureRegistry.get(name).tasks} != {*tasks}:
            raise ValueError(f"mixture {name!r} is registered already, with other languages")


def _base(language: str) -> str:
    return f"{MULTILINGUAL}_{language.replace('-', '_')}"  # SeqIO's names have no hyphens


def _listed(words: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(words.replace(",", " ").split()))


def _parts(name: str) -> tuple[str, str, str]:
    """The name of a data set, its configuration or "", and its version."""
    try:
        base, parts = datasets.core.naming.parse_builder_name_kwargs(name)
        is_whole = not base.namespace and {*parts} <= {"version", "config"}
        is_whole = is_whole and "*" not in parts.get("version", "*")
    except ValueError:
        is_whole = False
    if not is_whole:
        raise ValueError(
            f"{name!r} is no data set and version; say NAME:VERSION or NAME/CONFIG:VERSION, "
            "such as c4/en:3.1.0"
        )
    return base.name, parts.get("config", ""), parts["version"]


def _place(name: str, data_dir: str | None) -> str:
    """The directory that holds it, of those that are looked in."""
    base, config, version = _parts(name)
    places = [os.fspath(place) for place in list_data_dirs(data_dir)]
    for place in places:
        # Not by asking for its builder, which may ask a bucket what it should hold.
        if tf.io.gfile.exists(os.path.join(place, base, config, version, "dataset_info.json")):
            return place
    where = f"{data_dir}" if data_dir else f"{' or '.join(places)}, and Data.tfds names no other"
    command = "tfds build" + (f" --data_dir={data_dir}" if data_dir else "")
    raise ValueError(f"{name} is not in {where}; {_remedy(name, command)}")


def _remedy(name: str, command: str) -> str:
    base, config, version = _parts(name)
    try:
        builder = datasets.builder_cls(base)
    except datasets.core.DatasetNotFoundError:
        return f"TensorFlow Datasets has no {base} of its own: where your builder is, {command}"
    if builder.builder_configs and config not in builder.builder_configs:
        return f"{base} has no configuration {config!r}{nearest(config, builder.builder_configs)}"
    built = getattr(builder.builder_configs.get(config), "version", None) or builder.VERSION
    now = f"{base}/{config}:{built}" if config else f"{base}:{built}"
    if str(built) == version:
        return f"prepare it: {command} {now}"
    return f"nor is it built any more: name {now}, and prepare it: {command} {now}"
