"""A stack of any ingredients is its formula, and each of them changes what it should."""

import dataclasses

import jax
import numpy as np
import pytest

from archlab.architecture import Architecture
from archlab.model.transformer import Transformer
from archlab.size import Size
from tests import drawn
from tests.model import by_hand

SIZE = Size(layers=3, embed=16, mlp=24, heads=4, kv=6, vocab=40, kv_heads=2, positions=23)
LENGTHS = {"rows": 2, "inputs": 11, "targets": 7, "vocab": SIZE.vocab}

FAMILIES = {
    "bert": Architecture(
        "encoder",
        "learned",
        "gelu",
        norm="layer",
        norm_place="post",
        epsilon=1e-12,
        bias=True,
        head="transformed",
    ),
    "modernbert": Architecture(
        "encoder",
        "rope",
        "geglu_exact",
        norm="layer",
        embedding_norm=True,
        rotary_base=160_000.0,
        local_rotary_base=100.0,
        window=2,
        global_every=3,
        head="transformed",
    ),
    "gpt2": Architecture(
        "causal_decoder",
        "learned",
        "gelu_tanh",
        scaled=False,
        norm="layer",
        epsilon=1e-5,
        bias=True,
    ),
    "palm": Architecture("causal_decoder", norm="layer", parallel=True),
    "gemma2": Architecture(
        "causal_decoder",
        "rope",
        "geglu",
        norm_place="both",
        window=3,
        global_every=2,
        global_first=1,
        attention_cap=0.7,
        logit_cap=1.5,
    ),
    "gemma3, seeing its prefix": Architecture(
        "prefix_decoder",
        norm_place="both",
        qk_norm=True,
        window=1,
        global_every=2,
        local_rotary_base=3.0,
    ),
    "mistral, stretched as llama 3.1": Architecture(
        "causal_decoder",
        window=2,
        tied=False,
        scaled=False,
        rotary_base=100.0,
        rotary_stretch=(4.0, 10.0, 40.0),
    ),
    "t5, one table for each stack": Architecture(
        "encoder_decoder", "relative", "relu", tied=False, shared=False, window=1
    ),
    "bart": Architecture(
        "encoder_decoder",
        "learned",
        "gelu",
        norm="layer",
        norm_place="post",
        bias=True,
        qk_norm=True,
        head="transformed",
        tied=False,
        attention_cap=0.5,
    ),
}


@pytest.fixture(scope="module", params=FAMILIES)
def family(request):
    """An architecture, a batch, weights, and the model's logits of it."""
    architecture, size = FAMILIES[request.param], SIZE
    if architecture.kind == "encoder_decoder":
        size = dataclasses.replace(size, encoder_layers=2)
    batch = drawn.batch(architecture.kind, **LENGTHS)
    model = Transformer(size, architecture)
    weights = drawn.weights(jax.eval_shape(model.init, jax.random.key(0), batch)["params"])
    found = jax.jit(lambda weights: model.apply({"params": weights}, batch))(weights)
    return size, architecture, batch, weights, np.asarray(found)


def text(batch) -> np.ndarray:
    return (batch.encoder if batch.decoder is None else batch.decoder).end_BL > 0


def test_it_is_its_formula_in_float64(family):
    size, architecture, batch, weights, found = family
    expected = by_hand.logits(size, architecture, weights, batch)
    is_text_BL = text(batch)
    np.testing.assert_allclose(found[is_text_BL], expected[is_text_BL], atol=3e-5, rtol=3e-5)


OTHERWISE = {  # where an ingredient is used, what it is changed to
    "epsilon": 0.1,
    "qk_norm": False,
    "attention_cap": 0.0,
    "logit_cap": 0.0,
    "window": 100,
    "global_first": 0,
    "rotary_base": 30.0,
    "local_rotary_base": 0.0,
    "norm": "rms",
}


def test_each_of_its_ingredients_changes_what_it_says(family):
    size, architecture, batch, weights, found = family
    plain, used = Architecture(architecture.name), []
    for field, other in OTHERWISE.items():
        if getattr(architecture, field) == getattr(plain, field):
            continue
        used.append(field)
        changed = dataclasses.replace(architecture, **{field: other})
        expected = by_hand.logits(size, changed, weights, batch)
        assert np.abs(found - expected)[text(batch)].max() > 3e-4, field
    assert used


@pytest.fixture(scope="module")
def dropping():
    """A model that drops half of what it learns from, its batch, its weights, and what it reads."""
    size = dataclasses.replace(SIZE, layers=2)
    model = Transformer(size, Architecture("causal_decoder", "none"), dropout=0.5)
    batch = drawn.batch("decoder", **LENGTHS)
    weights = jax.jit(model.init)(jax.random.key(0), batch)["params"]

    @jax.jit
    def read(key):
        given, random = {"params": weights}, {"dropout": key}
        return model.apply(given, batch, method=model.read, rngs=random)

    return model, batch, weights, read


def test_a_seed_draws_what_it_always_drew(dropping):
    """Else a run would not be repeated by its seed, nor go on as it would have without a stop."""
    # What this library drew when scans were checked always, not only where something is drawn.
    _, _, weights, read = dropping
    query_NDHK = weights["decoder"]["layers"]["attention"]["query_DHK"]
    expected = [[-0.0248633, -0.0604796], [0.0219269, 0.3678491]]
    np.testing.assert_allclose(query_NDHK[:, 0, 0, :2], expected, rtol=1e-4)
    dropped = [-2.3183923, 0.5476226, 0.0, 0.0, -4.3654537, 2.3819973, 0.0, 0.1707636]
    np.testing.assert_allclose(read(jax.random.key(1))[0, 0, :8], dropped, rtol=1e-4)


def test_dropout_follows_from_its_key_and_is_nothing_on_average(dropping):
    model, batch, weights, read = dropping
    one, again, other = (np.asarray(read(jax.random.key(seed))) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert np.mean((one == 0) != (other == 0)) > 0.3
    whole = np.asarray(
        model.clone(dropout=0.0).apply({"params": weights}, batch, method=model.read)
    )
    mean = np.mean([read(jax.random.key(seed)) for seed in range(300)], axis=0)
    near = np.corrcoef(mean.ravel(), whole.ravel())[0, 1]
    assert near > 0.9
