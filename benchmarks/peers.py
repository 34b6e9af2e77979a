"""The same work done by SeqIO and t5: their tasks over our documents, from text and from cache.

Each peer is T5's own pipeline for an objective, step by step, with a seed. What t5 leaves to gin is
written out here, so that a binding elsewhere changes nothing.
"""

import dataclasses
import functools
import json
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import seqio
import tensorflow as tf
from t5.data import preprocessors as t5

from archlab.data import tasks
from archlab.data.vocabulary import Vocabulary

DECODER, PAIR = "decoder", "encoder_decoder"
SHARDS = 4  # files, so that there is something for SeqIO to interleave
SEED = 0  # with none, SeqIO's noise is another each time
LONGEST = 65_536  # tokens of a document that t5 reads, one chunk at random

# UL2's denoisers as its released code has them, by archlab's name: mean length of a span, rate; the
# seventh is a prefix LM. Rows of 512 + 512 would need 128 sentinels: where there are fewer, archlab
# refuses them, and t5 takes ids of text. So they are shorter here.
# Source: Tay et al. 2022, table 1.
DENOISERS = {
    "ul2_r3": (3, 0.15),
    "ul2_r8": (8, 0.15),
    "ul2_x3": (3, 0.5),
    "ul2_x8": (8, 0.5),
    "ul2_x64": (64, 0.15),
    "ul2_x64_half": (64, 0.5),
}
UL2 = (*DENOISERS, "ul2_s")


@dataclasses.dataclass(frozen=True)
class Peer:
    """One way that t5 makes an objective's rows, and the rows of archlab that it stands beside.

    Args:
      objective: archlab's name for it.
      kind: of archlab's rows.
      inputs: tokens of a row that are given.
      targets: tokens of a row that are learnt.
      steps: each task's steps after the cache; more than one is a mixture of equal rates.
      converter: turns examples into rows; None if the steps do.
      means: what it is, in words.
      repeats: whether the targets are the whole text, of which the inputs show some again.
    """

    objective: str
    kind: str
    inputs: int
    targets: int
    steps: tuple[tuple[Callable, ...], ...]
    converter: seqio.FeatureConverter | None
    means: str
    repeats: bool = False

    @property
    def sequence_length(self) -> dict[str, int]:
        """What SeqIO is asked to fill."""
        lengths = {"inputs": self.inputs, "targets": self.targets}
        if self.kind == DECODER and not isinstance(self.converter, seqio.PrefixLMFeatureConverter):
            lengths = dict.fromkeys(lengths, self.inputs + self.targets)  # one text fills the row
        return {name: lengths[name] for name in self.reads}

    @property
    def reads(self) -> tuple[str, ...]:
        """The features of a task that the rows are made of."""
        return tuple(self.converter.TASK_FEATURES) if self.converter else ("inputs", "targets")

    def rows(self, name: str, cached: bool, at_once: int, **settings) -> tf.data.Dataset:
        """Builds the pipeline.

        Args:
          name: that `register` gave.
          cached: whether ids are read from SeqIO's cache; otherwise text is encoded on the fly.
          at_once: rows of a batch; the last may have fewer.
          settings: of `get_dataset`, instead of an endless shuffled one.

        Returns:
          Batches of the model's features.
        """
        settings = {"shuffle": True, "num_epochs": None, **settings}
        dataset = seqio.get_mixture_or_task(name).get_dataset(
            sequence_length=self.sequence_length,
            split="train",
            use_cached=cached,
            seed=SEED,
            # A small text would stay in memory, undecoded, and no large one does.
            try_in_mem_cache=False,
            **settings,
        )
        if self.converter:
            dataset = self.converter(dataset, self.sequence_length)
        return dataset.batch(at_once)

    def sides(self, features: dict[str, np.ndarray]) -> list[np.ndarray]:
        """Reads a batch: what an encoder reads, if there is one, and what is predicted.

        Args:
          features: of a model.

        Returns:
          Arrays in which padding is 0.
        """
        names = ("encoder_input_tokens", "decoder_target_tokens")
        return [features[name] for name in names if name in features]

    def text(self, features: dict[str, np.ndarray]) -> list[np.ndarray]:
        """Reads the text of a batch.

        Args:
          features: of a model.

        Returns:
          The arrays that hold every token of it once.
        """
        return self.sides(features)[-1 if self.repeats else 0 :]


def _spans(mean: float, rate: float):
    return functools.partial(t5.span_corruption, mean_noise_span_length=mean, noise_density=rate)


def _chunk(dataset, output_features):
    return t5.select_random_chunk(
        dataset, output_features, max_length=LONGEST, feature_key="targets"
    )


def _split(dataset, sequence_length, output_features):
    """Source: t5's gin/objectives/denoise.gin."""
    dataset = _chunk(dataset, output_features)
    dataset = t5.reduce_concat_tokens(dataset, feature_key="targets", batch_size=128)
    return t5.split_tokens_to_inputs_length(dataset, sequence_length, output_features)


def _shuffled(dataset, sequence_length, output_features):
    """Source: t5's gin/objectives/all_permute.gin, which joins no documents."""
    dataset = _chunk(dataset, output_features)
    return t5.split_tokens_to_inputs_length(dataset, sequence_length, output_features)


def _pieces(dataset, sequence_length, output_features):
    """Documents, cut where they are longer than a row."""
    dataset = _chunk(dataset, output_features)
    return t5.split_tokens_to_targets_length(dataset, sequence_length, output_features)


def _noise(inputs: Callable, targets: Callable | None, rate: float = 0.15):
    return functools.partial(
        t5.denoise,
        noise_density=rate,
        noise_mask_fn=t5.iid_noise_mask,
        inputs_fn=inputs,
        targets_fn=targets,
    )


_bert = functools.partial(t5.noise_token_to_random_token_or_sentinel, random_prob=0.1)
_end = seqio.preprocessors.append_eos_after_trim
_alone = seqio.EncDecFeatureConverter(pack=False)  # of examples that are as long as a row
_pair = seqio.EncDecFeatureConverter(pack=True)
_both = seqio.PrefixLMFeatureConverter(pack=True)
_joined = seqio.LMFeatureConverter(pack=False)
_text = seqio.LMFeatureConverter(pack=True)

_SPANS = ((t5.span_corruption, _end),)
_PREFIX = ((t5.prefix_lm, _end),)
_TWO = ((t5.targets_for_prefix_lm_objective, t5.pack_prefix_lm_encoder_decoder),)
_ONE = ((t5.targets_for_prefix_lm_objective, t5.pack_prefix_lm_decoder_only),)
_UL2 = (*((_spans(*one), _end) for one in DENOISERS.values()), *_PREFIX)
_BERT = ((_split, _noise(_bert, None), _end),)
_MASS = ((_split, _noise(t5.noise_token_to_sentinel, None), _end),)
_DROP = ((_split, _noise(t5.drop_noise_tokens, t5.drop_nonnoise_tokens), _end),)
_PERMUTED = ((_shuffled, _noise(t5.permute_noise_tokens, None, 1.0), _end),)

# The lengths of the last five are those of t5's gin/objectives.
# fmt: off
PEERS = {
    "span": Peer("span_corruption", PAIR, 512, 114, _SPANS, _alone, "T5's"),
    "prefix": Peer("prefix_lm", PAIR, 512, 512, _PREFIX, _pair, "T5's, packed"),
    "prefix_two": Peer("prefix_lm_packed", PAIR, 512, 512, _TWO, None, "two joined chunks"),
    "prefix_decoder": Peer("prefix_lm", DECODER, 512, 512, _PREFIX, _both, "T5's, packed"),
    "prefix_one": Peer("prefix_lm_packed", DECODER, 512, 512, _ONE, None, "one joined chunk"),
    "full_lm": Peer("causal_lm", DECODER, 512, 512, ((t5.full_lm,),), _joined, "T5's full_lm"),
    "lm": Peer("causal_lm", DECODER, 512, 512, ((_pieces, _end),), _text, "documents, packed"),
    "ul2": Peer("ul2", PAIR, 480, 480, _UL2, _pair, "7 tasks, no mode tokens, packed"),
    "iid": Peer("iid_denoising", PAIR, 512, 192, ((t5.iid_denoising, _end),), _alone, "iid_15_u_u"),
    "bert": Peer("bert_style", PAIR, 512, 512, _BERT, _alone, "iid_15_r10s90_f", repeats=True),
    "mass": Peer("mass", PAIR, 512, 512, _MASS, _alone, "iid_15_m_f", repeats=True),
    "drop": Peer("drop", PAIR, 512, 104, _DROP, _alone, "iid_15_d_d"),
    "deshuffle": Peer("deshuffle", PAIR, 512, 512, _PERMUTED, _pair, "all_permute", repeats=True),
}
# fmt: on


def register(folder: Path, documents: Iterable[str], vocabulary: Vocabulary) -> dict[str, str]:
    """Writes the documents for SeqIO, as text and as its cache of ids, and registers the peers.

    SeqIO writes its cache by Apache Beam only; this writes the same files without it.

    Args:
      folder: to write into.
      documents: the text.
      vocabulary: of the ids.

    Returns:
      The name of each peer's task or mixture.
    """
    texts = [{"text": text.encode("utf-8", "replace")} for text in documents]
    _write(folder / "text", texts)
    source = seqio.TFExampleDataSource(
        {"train": [str(path) for path in sorted((folder / "text").glob("train.tfrecord*"))]},
        {"text": tf.io.FixedLenFeature([], tf.string)},
    )
    own = tasks.features(vocabulary)["targets"].vocabulary
    feature = seqio.Feature(own, add_eos=True, required=False)
    before = [
        functools.partial(seqio.preprocessors.rekey, key_map={"targets": "text"}),
        seqio.preprocessors.tokenize,
        seqio.CacheDatasetPlaceholder(),
    ]
    names, made = {}, []
    for key, peer in PEERS.items():
        parts = [f"{folder.name}_{key}_{number}" for number in range(len(peer.steps))]
        for name, steps in zip(parts, peer.steps, strict=True):
            seqio.TaskRegistry.add(
                name,
                source=source,
                preprocessors=[*before, *steps],
                output_features={one: feature for one in peer.reads},
            )
        made += parts
        names[key] = parts[0]
        if len(parts) > 1:
            names[key] = f"{folder.name}_{key}"
            seqio.MixtureRegistry.add(names[key], parts, default_rate=1.0)
    task = seqio.TaskRegistry.get(made[0])
    ids = task.preprocess_precache(task.source.get_dataset("train", shuffle=False), seed=SEED)
    _write(folder / "ids", list(ids.as_numpy_iterator()))
    (folder / "cache").mkdir()
    for name in made:
        (folder / "cache" / name).symlink_to(folder / "ids", target_is_directory=True)
    seqio.add_global_cache_dirs([str(folder / "cache")])
    return names


def _write(folder: Path, examples: list[dict]) -> None:
    """Writes what SeqIO expects of a cached split."""
    folder.mkdir(parents=True)
    for shard in range(SHARDS):
        path = folder / f"train.tfrecord-{shard:05}-of-{SHARDS:05}"
        with tf.io.TFRecordWriter(str(path)) as file:
            for example in examples[shard::SHARDS]:
                file.write(seqio.utils.dict_to_tfexample(example).SerializeToString())
    shapes = {
        name: {
            "shape": [None] if np.ndim(value) else [],
            "dtype": "string" if isinstance(value, bytes) else value.dtype.name,
        }
        for name, value in examples[0].items()
    }
    info = {"num_shards": SHARDS, "features": shapes, "seqio_version": seqio.__version__}
    (folder / "info.train.json").write_text(json.dumps(info))
    (folder / "stats.train.json").write_text(json.dumps({"examples": len(examples)}))
    (folder / "COMPLETED").touch()
