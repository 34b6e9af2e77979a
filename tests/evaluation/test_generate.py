import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from archlab import batch as batches
from archlab.architecture import Architecture
from archlab.batch import Stream
from archlab.evaluation import generate as generating
from archlab.evaluation.generate import encoded, generate, prompted
from archlab.model.transformer import Transformer
from archlab.size import Size

SIZE = Size(layers=2, embed=16, mlp=24, heads=4, kv=6, vocab=40, kv_heads=2, positions=24)
END, LONG = 1, 24
DECODERS = ["causal_decoder", "prefix_decoder", "encoder_decoder"]


def made(name: str, position: str = "rope", seed: int = 1, size: Size = SIZE, **words):
    model = Transformer(size, Architecture(name, position, tied=False, **words))
    shapes = batches.abstract(model.architecture.kind, 1, 4, 4)
    blank = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    return model, model.init(jax.random.key(seed), blank)["params"]


@functools.partial(jax.jit, static_argnums=0)
def decoded(model, weights, stream, source, edges):
    memory, given = None, {"params": weights}
    if source is not None:
        memory = model.apply(given, source, method=model.encode)
    x_BLD, _ = model.apply(given, stream, memory, edges, method=model.decode)
    return model.apply(given, x_BLD, method=model.score)[0]


def scored(model, weights, prompt: list[int], said: list[int]) -> np.ndarray:
    """Logits of what comes next, with everything read again from the beginning."""
    is_pair = model.architecture.kind == "encoder_decoder"
    read = said if is_pair else prompt + said
    row = prompted(read, LONG)
    split = row.start_BL if is_pair else row.start_BL + len(prompt) + 1
    stream = Stream(row.tokens_BL, row.position_BL, row.start_BL, split, row.end_BL)
    edges = (row.start_BL, row.start_BL + len(prompt)) if is_pair else None
    source = encoded(prompt, LONG) if is_pair else None
    return np.asarray(decoded(model, weights, stream, source, edges)[len(read)])


MIXED = {"window": 2, "global_every": 2, "global_first": 1}


@pytest.mark.parametrize(
    "name, position, words",
    [
        *((name, position, {}) for name in DECODERS for position in ("rope", "relative", "none")),
        ("causal_decoder", "rope", {"window": 3, "qk_norm": True}),
        ("prefix_decoder", "none", {"size": dataclasses.replace(SIZE, experts=3, choices=2)}),
        ("prefix_decoder", "rope", {**MIXED, "local_rotary_base": 30.0, "norm_place": "both"}),
        ("encoder_decoder", "learned", {**MIXED, "bias": True, "head": "transformed"}),
    ],
)
def test_logits_with_a_cache_are_those_of_reading_all_again(monkeypatch, name, position, words):
    model, weights = made(name, position, **words)
    prompt, seen = [5, 6, 7, 8, 9], []

    def choose(logits_V, temperature, key, allowed):
        seen.append(np.asarray(logits_V))
        return 3 + (len(seen) * 7) % 30  # any tokens but the end

    monkeypatch.setattr(generating, "choose", choose)
    said = generate(model, weights, prompt, 7, END, SIZE.vocab)
    assert len(said) == 7
    for number, logits in enumerate(seen):
        expected = scored(model, weights, prompt, said[:number])
        np.testing.assert_allclose(logits, expected, atol=1e-5)


@pytest.mark.parametrize("name", DECODERS)
def test_greedy_says_the_likeliest_token_each_time_and_stops_at_the_end(name):
    for seed in range(3):
        model, weights = made(name, seed=seed)
        prompt, expected = [9, 8, 7], []
        while len(expected) < 12:
            token = int(np.argmax(scored(model, weights, prompt, expected)))
            if token == END:
                break
            expected.append(token)
        assert generate(model, weights, prompt, 12, END, SIZE.vocab) == expected


def test_the_temperature_draws_from_the_model_s_own_distribution():
    logits = jnp.asarray([0.0, 1.0, 2.0, 9.0])
    keys = jax.random.split(jax.random.key(0), 600)
    drawn = np.bincount([generating.choose(logits, 1.0, key, 3) for key in keys], minlength=4)
    shares = np.exp([0.0, 1.0, 2.0]) / np.exp([0.0, 1.0, 2.0]).sum()
    np.testing.assert_allclose(drawn[:3] / 600, shares, atol=0.06)
    assert drawn[3] == 0  # a row of the table that no token has


@pytest.mark.parametrize("temperature", [1e-2, 1e-30, 1e-40, 5e-324])
def test_a_temperature_near_0_takes_the_likeliest_as_0_does(temperature):
    logits = jnp.asarray([40.0, 41.0, 43.0, 42.0, 99.0])
    keys = jax.random.split(jax.random.key(0), 20)
    assert {generating.choose(logits, temperature, key, 4) for key in keys} == {2}


def test_the_same_seed_says_the_same():
    model, weights = made("causal_decoder")
    say = [generate(model, weights, [5], 9, END, SIZE.vocab, 1.0, seed) for seed in (3, 3, 4)]
    assert say[0] == say[1] != say[2]


@pytest.mark.parametrize("dtype, said", [(jnp.float32, "HIGHEST"), (jnp.bfloat16, "DEFAULT")])
def test_products_are_as_exact_as_in_training(dtype, said):
    model, weights = made("encoder_decoder")
    model = model.clone(dtype=dtype)
    stream, edges = prompted([5], 4), (np.zeros((1, 4), np.int32),) * 2
    memory_BMD = jnp.zeros((1, 4, SIZE.embed), dtype)
    cache = generating.empty(model, 4, 4)
    for lowered in (
        generating._encode.lower(model, weights, encoded([5], 4)),
        generating._read.lower(model, weights, stream, memory_BMD, edges, cache, 0, 0),
    ):
        products = [line for line in lowered.as_text().splitlines() if "dot_general" in line]
        assert len(products) > 5 and all(said in line for line in products)


def test_a_decoder_may_begin_from_nothing():
    model, weights = made("causal_decoder")
    assert len(generate(model, weights, [], 3, -1, SIZE.vocab)) == 3


@pytest.mark.parametrize(
    "name, prompt, settings, said",
    [
        ("encoder", [5], {}, "fills masks in place and does not continue text"),
        ("encoder_decoder", [], {}, "the prompt is empty; an encoder-decoder needs something"),
        ("causal_decoder", [5], {"tokens": 0}, "tokens=0.*at least 1"),
        ("causal_decoder", [5], {"temperature": -1.0}, "temperature=-1.0"),
        ("causal_decoder", [5], {"temperature": float("nan")}, "temperature=nan"),
        ("causal_decoder", [5], {"temperature": float("inf")}, "temperature=inf"),
        ("causal_decoder", [5], {"seed": -1}, "seed=-1; it is 0 or more, below 4294967296"),
        ("causal_decoder", [5], {"seed": 2**32}, "seed=4294967296"),
        ("causal_decoder", [5], {"seed": 10**30}, "seed=1000"),
    ],
)
def test_what_cannot_be_continued_is_refused(name, prompt, settings, said):
    model, weights = made(name)
    settings = {"tokens": 3, "end": END, "allowed": SIZE.vocab, **settings}
    with pytest.raises(ValueError, match=said):
        generate(model, weights, prompt, **settings)


def test_no_text_is_longer_than_the_table_of_positions():
    model, weights = made("causal_decoder", "learned")
    assert len(generate(model, weights, [5, 6, 7], 21, -1, SIZE.vocab)) == 21
    with pytest.raises(ValueError, match="4 tokens .* 22 more .* 24 positions; 21 more would do"):
        generate(model, weights, [5, 6, 7], 22, -1, SIZE.vocab)
    model, weights = made("encoder_decoder", "learned")
    with pytest.raises(ValueError, match="encoder is to read 25 tokens, .* 24 positions"):
        generate(model, weights, [5] * 25, 1, -1, SIZE.vocab)


def test_a_decoder_begins_with_the_start_of_its_vocabulary():
    row = prompted([7, 8], 5, start=4)
    assert row.tokens_BL.tolist() == [[4, 7, 8, 0, 0]]
    model, weights = made("causal_decoder")
    said = {generate(model, weights, [5], 9, -1, SIZE.vocab, start=start)[0] for start in range(9)}
    assert len(said) > 1
