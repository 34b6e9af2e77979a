"""Tasks are ordinary SeqIO tasks: SeqIO's own readers and converters accept them."""

import functools

import numpy as np
import pytest
import seqio

from archlab.data import tasks
from archlab.data.objectives.table import OBJECTIVES
from archlab.data.row import Row
from archlab.data.vocabulary import Vocabulary

V = Vocabulary()
LENGTHS = {"inputs": 512, "targets": 114}
LINES = [f"line {number} says {'x' * (number % 37)} and ends" for number in range(200)]


@pytest.fixture(scope="module", autouse=True)
def lines(tmp_path_factory):
    """A file of lines, registered as `lines_…`."""
    path = tmp_path_factory.mktemp("lines") / "lines.txt"
    path.write_text("\n".join(LINES) + "\n")
    source = seqio.TextLineDataSource({"train": str(path), "validation": str(path)})
    tasks.register("lines", source)
    return source


def read(objective, lengths=LENGTHS, seed=1, name="lines", **settings):
    task = seqio.get_mixture_or_task(f"{name}_{objective}")
    dataset = task.get_dataset(lengths, split="train", shuffle=False, seed=seed, **settings)
    return list(dataset.as_numpy_iterator())


def joined():
    return [token for line in LINES for token in [*V.encode(line), V.end]]


def test_lengths_are_those_of_the_row():
    for one in read("span_corruption"):
        assert (len(one["inputs"]), len(one["targets"])) == (512, 114)
        assert one["targets_weights"].tolist() == [1] * 114
    pairs = read("prefix_lm")
    assert len(pairs) == 2 * (len(joined()) // 626)
    for first, second in zip(pairs[::2], pairs[1::2], strict=True):
        assert len(first["inputs"]) + len(second["inputs"]) == 512
        assert len(first["targets"]) + len(second["targets"]) == 114


@pytest.mark.parametrize("lengths", [{"targets": 64}, {"inputs": 64, "targets": 64}])
@pytest.mark.parametrize("objective", ["causal_lm", "masked_lm"])
def test_one_text_loses_nothing(objective, lengths):
    found = read(objective, lengths)
    text = [token for one in found for token in one["targets"]]
    whole = joined()
    assert text == whole[: len(whole) // 64 * 64]
    for one in found:
        assert len(one["inputs"]) == (0 if objective == "causal_lm" else len(one["targets"]))
        assert V.end not in one["targets"][:-1]


def test_examples_are_those_of_the_objective():
    # The same text, whichever door it comes through.
    raw = OBJECTIVES["span_corruption"].raw(Row(512, 114, "encoder_decoder"), V)
    text, sentinels = joined(), range(V.size - V.sentinels, V.size)
    for number, one in enumerate(read("span_corruption")):
        hidden = [token for token in one["targets"][:-1] if token not in sentinels]
        shown = [token for token in one["inputs"][:-1] if token not in sentinels]
        assert sorted(hidden + shown) == sorted(text[number * raw : (number + 1) * raw])


def test_seeds_decide():
    def ids(seed, objective):
        return [one["inputs"].tolist() for one in read(objective, seed=seed)]

    for objective in ("span_corruption", "prefix_lm"):
        first, again, other = ids(1, objective), ids(1, objective), ids(2, objective)
        assert first == again
        assert len(first) == len(other) > 4
        assert sum(map(list.__eq__, first, other)) < len(first) / 4


def test_two_shards_do_not_share_their_masks(tmp_path):
    # Both shards hold texts that differ in one byte, so that a mask by place would be shared.
    for shard in "ab":
        (tmp_path / f"{shard}.txt").write_text("".join(shard * 567 + "\n" for _ in range(6)))
    source = seqio.TextLineDataSource({"train": str(tmp_path / "*.txt")})
    tasks.register("shards", source, objectives=["span_corruption"])
    masks = []
    for index in range(2):
        shard = seqio.ShardInfo(index, 2)
        found = read("span_corruption", name="shards", shard_info=shard)
        assert len(found) == 6
        masks.append([tuple(np.flatnonzero(one["inputs"] >= V.mask)) for one in found])
    assert not set(masks[0]) & set(masks[1])
    assert len(set(masks[0])) == 1  # the same text and seed is the same example, wherever it stands


@pytest.mark.parametrize(
    ("objective", "converter", "is_packed"),
    [
        ("span_corruption", seqio.EncDecFeatureConverter, False),
        ("prefix_lm", seqio.EncDecFeatureConverter, True),
        ("causal_lm", seqio.LMFeatureConverter, True),
        ("masked_lm", functools.partial(seqio.EncoderFeatureConverter, V.mask), True),
    ],
)
def test_seqios_converters_accept_them(objective, converter, is_packed):
    lengths = {
        "causal_lm": {"targets": 128},
        "masked_lm": {"inputs": 128, "targets": 128},
    }.get(objective, LENGTHS)
    dataset = seqio.get_dataset(
        f"lines_{objective}",
        lengths,
        dataset_split="train",
        shuffle=False,
        feature_converter=converter(pack=is_packed),
        seed=1,
    )
    found = list(dataset.take(4).as_numpy_iterator())
    assert found
    weights = "encoder_loss_weights" if objective == "masked_lm" else "decoder_loss_weights"
    wanted = 114 if objective in ("span_corruption", "prefix_lm") else 128
    for one in found:
        assert one[weights].shape == (wanted,) and one[weights].sum() > 0
    if wanted == 114:
        assert all(one[weights].sum() == 114 for one in found)
