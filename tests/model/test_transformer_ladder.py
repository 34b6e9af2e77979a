"""From an encoder-decoder to a prefix decoder, rung by rung: what each is, and that the last is."""

import dataclasses
import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from archlab.architecture import RUNGS, Architecture
from archlab.batch import Batch
from archlab.kernels import flash, pallas
from archlab.model.attention import Attend
from archlab.model.transformer import Transformer, balance, parameters
from archlab.size import Size
from tests import drawn
from tests.model import by_hand

SIZE = Size(layers=3, embed=16, mlp=24, heads=4, kv=6, vocab=40, kv_heads=2, positions=18)
INPUTS, TARGETS = 11, 7
BATCH = drawn.batch("encoder_decoder", 3, INPUTS, TARGETS, SIZE.vocab)
TOP = (True, True, True)
CHOICES = [choice for choice in itertools.product((False, True), repeat=3) if any(choice)]
NAMES = ["+".join(itertools.compress(RUNGS, choice)) for choice in CHOICES]
RICH = {
    "norm": "layer",
    "bias": True,
    "embedding_norm": True,
    "window": 3,
    "global_every": 2,
    "local_rotary_base": 30.0,
    "qk_norm": True,
    "attention_cap": 0.7,
    "logit_cap": 1.5,
}
CASES = {
    "before": {},
    "with all else": {"norm_place": "both", **RICH},
    "after": {"position": "learned", "norm_place": "post", "head": "transformed"},
    "some windows": {
        **{"position": "none", "window": 2, "global_every": 3, "global_first": 1},
        **{"tied": False, "activation": "relu", "parallel": True},
    },
}
WINDOWS = {"window": 4, "global_every": 2}  # of the rungs, each beside the others


def rung(choice, name: str = "encoder_decoder", **words) -> Architecture:
    return Architecture(name, **dict(zip(RUNGS, choice, strict=True)), **words)


@dataclasses.dataclass(frozen=True)
class Joined:
    """The inputs of each segment and its targets as one text, as a decoder alone reads it.

    Args:
      batch: for a decoder.
      place_BL: where each position of the two stacks' decoder is in it.
    """

    batch: Batch
    place_BL: np.ndarray


def joined(batch: Batch) -> Joined:
    rows = batch.target_BL.shape[0]
    wide = (rows, INPUTS + TARGETS)
    tokens, position, start, split, end, target = (np.zeros(wide, np.int32) for _ in range(6))
    weight, place_BL = np.zeros(wide, np.float32), np.zeros(batch.target_BL.shape, int)
    own, other = batch.decoder, batch.encoder
    for row in range(rows):
        at = 0
        for low in np.unique(own.start_BL[row][own.end_BL[row] > 0]):
            high = own.end_BL[row, low]
            first, past = batch.memory_start_BL[row, low], batch.memory_end_BL[row, low]
            text = [*other.tokens_BL[row, first:past], *own.tokens_BL[row, low:high]]
            middle, till = at + past - first, at + len(text)
            tokens[row, at:till], position[row, at:till] = text, np.arange(len(text))
            start[row, at:till], split[row, at:till], end[row, at:till] = at, middle, till
            target[row, middle:till] = batch.target_BL[row, low:high]
            weight[row, middle:till] = batch.weight_BL[row, low:high]
            place_BL[row, low:high] = np.arange(middle, till)
            at = till
    stream = type(own)(tokens, position, start, split, end)
    one = Batch(None, stream, None, None, target, weight, batch.objective_B)
    return Joined(one, place_BL)


ONE = joined(BATCH)
IS_TEXT_BL = BATCH.decoder.end_BL > 0


def there(logits_BLV: np.ndarray) -> np.ndarray:
    """What a decoder alone says where the decoder of two stacks does, of all text."""
    return np.take_along_axis(logits_BLV, ONE.place_BL[..., None], axis=1)[IS_TEXT_BL]


def test_rows_have_several_segments_with_inputs_of_their_own():
    segments = [len(np.unique(row[row > 0])) for row in ONE.batch.decoder.end_BL]
    assert max(segments) == 3 and min(segments) > 1
    assert (ONE.batch.decoder.split_BL > ONE.batch.decoder.start_BL).any()
    assert ONE.batch.weight_BL.sum() == BATCH.weight_BL.sum() > 0


def drawn_for(architecture: Architecture) -> dict:
    model = Transformer(SIZE, architecture)
    return drawn.weights(jax.eval_shape(model.init, jax.random.key(0), BATCH)["params"])


@functools.cache
def weights_of(case: str) -> dict:
    return drawn_for(rung(TOP, **CASES[case]))


def learnt(architecture: Architecture, batch: Batch, weights: dict):
    """Logits, and the gradient of the loss."""
    model = Transformer(SIZE, architecture)

    def loss(weights):
        logits_BLV = model.apply({"params": weights}, batch)
        log_BLV = jax.nn.log_softmax(logits_BLV)
        chosen_BL = jnp.take_along_axis(log_BLV, batch.target_BL[..., None], -1)[..., 0]
        return -jnp.sum(chosen_BL * batch.weight_BL), logits_BLV

    return jax.device_get(jax.jit(jax.grad(loss, has_aux=True))(weights))


def test_at_the_top_an_encoder_decoder_is_the_prefix_decoder_of_the_same_weights():
    weights, words = weights_of("with all else"), CASES["with all else"]
    slope, logits = learnt(rung(TOP, **words), BATCH, weights)
    expected, one = learnt(Architecture("prefix_decoder", **words), ONE.batch, weights)
    np.testing.assert_allclose(logits[IS_TEXT_BL], there(one), atol=1e-5)
    paths = jax.tree_util.tree_flatten_with_path(expected)[0]
    for found, (path, right) in zip(jax.tree.leaves(slope), paths, strict=True):
        scale = np.abs(right).max()
        # What a softmax leaves out of account has no gradient but by rounding.
        assert scale > 1e-3 or "key_bias" in str(path)
        assert np.abs(found - right).max() <= 1e-5 * max(scale, 1), path


class Interpreted(Attend):
    """The kernels for TPUs, on a CPU."""

    def __call__(self, query_BLHK, key_BMGK, value_BMGK, start_BL, end_BL, bias_HP=None, cap=0.0):
        lengths = query_BLHK.shape[1], key_BMGK.shape[1]
        kernel = pallas.kernel(*lengths, cap, interpret=True, block=8)
        given = (query_BLHK, key_BMGK, value_BMGK, start_BL, end_BL, bias_HP)
        return flash.attend(kernel, *given)


@pytest.mark.parametrize(
    "case, attend",
    [
        ("before", Attend("chunked")),
        ("before", Interpreted()),
        ("after", Attend("dense")),
        ("some windows", Attend("dense")),
    ],
    ids=["chunked", "pallas", "learned", "none"],
)
def test_at_the_top_it_is_the_formula_of_a_prefix_decoder_in_float64(case, attend):
    weights, words = weights_of(case), CASES[case]
    model = Transformer(SIZE, rung(TOP, **words), attend=attend)
    found = jax.jit(lambda weights: model.apply({"params": weights}, BATCH))(weights)
    one = by_hand.logits(SIZE, Architecture("prefix_decoder", **words), weights, ONE.batch)
    np.testing.assert_allclose(np.asarray(found)[IS_TEXT_BL], there(one), atol=2e-5)


def test_it_has_the_weights_of_a_prefix_decoder_and_no_others():
    for words in CASES.values():
        other = Architecture("prefix_decoder", **words)
        assert parameters(SIZE, rung(TOP, **words)) == parameters(SIZE, other)


@pytest.fixture(scope="module", params=CHOICES, ids=NAMES)
def step(request):
    """A rung, its weights, and its function of them and a batch.

    What it shares with the prefix decoder are the prefix decoder's weights, in its encoder too.
    """
    architecture = rung(request.param, **WINDOWS)
    model, top = Transformer(SIZE, architecture), weights_of("before")
    weights = copied(drawn_for(architecture), top)
    if "encoder" in weights:
        weights["encoder"] = copied(weights["encoder"], top["decoder"])
    run = jax.jit(lambda weights, batch: model.apply({"params": weights}, batch))
    return architecture, weights, functools.partial(run, weights)


def copied(tree: dict, other: dict) -> dict:
    """The tree, with what another has of it; where that has more layers, the first of them."""
    if not isinstance(tree, dict):
        return other[: len(tree)]
    return {
        name: copied(leaf, other[name]) if name in other else leaf for name, leaf in tree.items()
    }


def test_each_rung_is_its_formula_in_float64(step):
    architecture, weights, run = step
    expected = by_hand.logits(SIZE, architecture, weights, BATCH)
    np.testing.assert_allclose(
        np.asarray(run(BATCH))[IS_TEXT_BL], expected[IS_TEXT_BL], atol=2e-5, rtol=2e-5
    )


def test_no_rung_below_the_top_is_the_prefix_decoder(step):
    architecture, weights, run = step
    prefix = Architecture("prefix_decoder", **WINDOWS)
    one = by_hand.logits(SIZE, prefix, weights_of("before"), ONE.batch)
    far = np.abs(np.asarray(run(BATCH))[IS_TEXT_BL] - there(one)).max()
    assert far < 2e-5 if architecture.handed == "keys" else far > 0.1


def test_a_decoder_sees_what_came_before_and_its_own_inputs_and_nobody_else_s(step):
    _, _, run = step
    before = np.asarray(run(BATCH))
    for name in ("encoder", "decoder"):
        stream = getattr(BATCH, name)
        for row, key in np.argwhere(stream.end_BL > 0):
            tokens_BL = stream.tokens_BL.copy()
            tokens_BL[row, key] = 3 + (tokens_BL[row, key] - 2) % (SIZE.vocab - 3)
            other = dataclasses.replace(stream, tokens_BL=tokens_BL)
            after = np.asarray(run(dataclasses.replace(BATCH, **{name: other})))
            is_moved = np.abs(after - before).max(-1) > 1e-6
            at = np.arange(TARGETS)
            expected = np.zeros_like(is_moved)
            if name == "encoder":
                low, high = BATCH.memory_start_BL[row], BATCH.memory_end_BL[row]
                expected[row] = (low <= key) & (key < high)
            else:
                expected[row] = (at >= key) & (at < stream.end_BL[row, key])
            np.testing.assert_array_equal(is_moved, expected, err_msg=f"{name} {row} {key}")


def test_weights_are_counted_once_where_stacks_are_tied_and_none_is_of_a_layer_nobody_reads():
    many = {choice: sum(parameters(SIZE, rung(choice)).values()) for choice in CHOICES}
    plain = parameters(SIZE, Architecture("encoder_decoder"))
    table = plain["embedding/table_VD"]
    block = sum(count for path, count in plain.items() if path.startswith("encoder/layers"))
    norm, cross = SIZE.embed, sum(count for path, count in plain.items() if "cross" in path)
    for choice, count in many.items():
        tied, merged, aligned = choice
        expected = table + 2 * (block + norm) + cross
        expected -= (block + norm) * tied + cross * merged
        expected -= block // SIZE.layers * (aligned and not tied)
        assert count == expected


def test_what_experts_are_sent_is_the_mean_over_the_layers_of_both_stacks():
    random = np.random.default_rng(0)
    one_NB, other_NB = random.random((3, 2)), random.random((3, 2))

    def left(*each):
        return {"layers": {"experts": {"balance_B": each}}}

    apart = balance({"encoder": left(one_NB), "decoder": left(other_NB)})
    np.testing.assert_allclose(apart, balance({"decoder": left(one_NB, other_NB)}))
    np.testing.assert_allclose(apart, (one_NB.mean(0) + other_NB.mean(0)) / 2, rtol=1e-6)
