import functools

import jax
import jax.extend
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archlab import mesh as meshes
from archlab.architecture import Architecture
from archlab.kernels import pallas
from archlab.mesh import Mesh
from archlab.model import attention
from archlab.model.attention import Attend, attend, chosen
from archlab.model.transformer import Transformer
from archlab.refusal import Refusal
from archlab.size import Size
from tests import drawn
from tests.attended import Case, assert_is_the_definition, definition, differentiated

CASE = Case(rows=4, length=12, memory=20, heads=8, key_heads=2, cap=2.0, biased=True)


@pytest.mark.parametrize(
    "word, platform, length, memory, way",
    [
        ("auto", "cpu", 128, 4096, "dense"),
        ("auto", "cpu", 129, 4096, "chunked"),
        ("auto", "gpu", 4096, 4096, "chunked"),
        ("auto", "tpu", 4096, 129, "pallas"),
        ("auto", "tpu", 1, 4096, "dense"),
        ("dense", "tpu", 4096, 4096, "dense"),
        ("chunked", "tpu", 1, 1, "chunked"),
    ],
)
def test_the_implementation_follows_from_word_platform_and_lengths(
    word, platform, length, memory, way
):
    assert chosen(word, platform, length, memory) == way


def test_a_kernel_for_another_platform_is_refused_with_what_to_change():
    with pytest.raises(Refusal, match="the devices are cpu; 'auto' takes it") as caught:
        chosen("pallas", "cpu", 512, 512)
    assert caught.value.about == "Run.attention"


def interpreted(monkeypatch):
    """TPUs' kernels on the CPU, with blocks of 8."""
    monkeypatch.setattr(
        attention.pallas, "kernel", functools.partial(pallas.kernel, interpret=True, block=8)
    )


@pytest.mark.parametrize("word", ["dense", "chunked", "pallas"])
def test_every_word_is_the_same_operation(monkeypatch, word):
    interpreted(monkeypatch)
    given = CASE.draw(np.random.default_rng(0))
    own = functools.partial(attend, cap=CASE.cap, word=word, platform="tpu")
    assert_is_the_definition(differentiated(jax, own, CASE)(given), definition(CASE, given))


@functools.cache
def on_mesh(data: int, model: int, word: str):
    own = Attend(word, Mesh(data, model).build())
    return differentiated(jax, functools.partial(own, cap=CASE.cap), CASE)


@settings(max_examples=6)
@given(seed=st.integers(0, 2**31))
@pytest.mark.parametrize("data, model", [(4, 2), (2, 4), (1, 8)])
def test_each_device_reads_for_its_own_rows_and_heads(data, model, seed):
    """Two key heads over 2, 4 and 8 devices: split, and repeated to be split."""
    given = CASE.draw(np.random.default_rng(seed))
    found = on_mesh(data, model, "chunked")(given)
    assert_is_the_definition(found, definition(CASE, given))


def test_queries_may_be_split_by_their_places(monkeypatch):
    """A rule for `length` is all that it takes: memory and distances stay whole."""
    monkeypatch.setattr(meshes, "RULES", (("batch", "data"), ("length", "model")))
    own = Attend("dense", Mesh(2, 4).build())
    given = CASE.draw(np.random.default_rng(3))
    run = differentiated(jax, functools.partial(own, cap=CASE.cap), CASE)
    assert_is_the_definition(run(given), definition(CASE, given))


def test_no_device_holds_what_another_attends_to():
    own = Attend("chunked", Mesh(2, 4).build())
    shapes = [jax.ShapeDtypeStruct((4, 256, heads, 16), jnp.float32) for heads in (8, 4, 4)]
    edges = [jax.ShapeDtypeStruct((4, 256), jnp.int32)] * 2
    split = jax.jit(
        own,
        in_shardings=[
            *(meshes.sharding(own.mesh, name, one.shape) for name, one in zip(
                ("query_BLHK", "key_BMGK", "value_BMGK"), shapes, strict=True)),
            *[meshes.sharding(own.mesh, "start_BL", (4, 256))] * 2,
        ],
    )  # fmt: skip
    text = split.lower(*shapes, *edges).compile().as_text()
    assert not {word for word in ("all-gather", "all-reduce", "all-to-all") if f"{word}(" in text}


def widest(jaxpr) -> int:
    """The second greatest extent of the arrays of a program: its loops' and its functions' too."""
    found = 0
    for equation in jaxpr.eqns:
        for variable in equation.outvars:
            shape = sorted(getattr(variable.aval, "shape", ()))
            found = max(found, shape[-2] if len(shape) > 1 else 0)
        for inner in jax.extend.core.jaxprs_in_params(equation.params):
            found = max(found, widest(inner))
    return found


@pytest.mark.parametrize("word, is_square", [("auto", False), ("dense", True)])
def test_a_model_with_relative_positions_has_no_array_of_all_pairs(word, is_square):
    size = Size(layers=2, embed=16, mlp=24, heads=2, kv=4, vocab=40)
    model = Transformer(size, Architecture("encoder_decoder", "relative"), attend=Attend(word))
    batch = drawn.batch("encoder_decoder", 1, 700, 600, size.vocab)
    weights = jax.eval_shape(model.init, jax.random.key(0), batch)["params"]

    def total(weights):
        return model.apply({"params": weights}, batch).sum()

    program = jax.make_jaxpr(jax.grad(total))(weights)
    assert (widest(program.jaxpr) >= 600) == is_square


def test_the_softmax_is_in_float32_whatever_the_values_are():
    logits = jnp.asarray([256.0, 256.5], jnp.bfloat16)  # equal, once rounded to bfloat16
    query = jnp.ones((1, 1, 1, 1), jnp.bfloat16)
    key = jnp.asarray([1.0, 1.0078125], jnp.bfloat16)[None, :, None, None]
    value = jnp.asarray([0.0, 1.0], jnp.bfloat16)[None, :, None, None]
    for word in ("dense", "chunked"):
        edges = jnp.zeros((1, 1), int), jnp.full((1, 1), 2)
        read, _ = attend(query * 100, key, value, *edges, word=word)
        assert read.dtype == jnp.bfloat16 and logits[0] == logits[1]
        np.testing.assert_allclose(float(read[0, 0, 0, 0]), 1 / (1 + np.exp(-0.78125)), atol=4e-3)
