import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from archlab import ledger
from archlab.architecture import VISIBILITY, Architecture
from archlab.batch import Stream, abstract
from archlab.kernels.dense import attend
from archlab.ledger import Flops, Ledger
from archlab.model import visibility
from archlab.model.attention import Attend
from archlab.model.transformer import Transformer, parameters
from archlab.size import Size
from archlab.train import loss

SIZE = Size(layers=2, embed=256, mlp=768, heads=4, kv=64, vocab=512, kv_heads=2, positions=160)
INPUTS, TARGETS = 96, 64


KINDS = [
    *(Architecture(name, "none") for name in VISIBILITY),
    Architecture("causal_decoder", "relative", "geglu", tied=False),
    Architecture("encoder_decoder", "rope", "relu", tied=False),
    Architecture("encoder", "learned", "relu", norm="layer", bias=True, head="transformed"),
]
UNEVEN = dataclasses.replace(SIZE, encoder_layers=3)


@functools.cache
def counted(function, *shapes) -> float:
    """XLA's count of the FLOPs of a function's gradient by all that it is given."""
    slope = jax.grad(
        lambda *given: jnp.sum(function(*given) ** 2), argnums=tuple(range(len(shapes)))
    )
    return jax.jit(slope).lower(*shapes).compile().cost_analysis()["flops"]


def shaped(*extents: int) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(extents, jnp.float32)


@functools.cache
def attends(ask: int, answer: int, width: int) -> float:
    """Of one attention alone: `ask` positions of one row read `answer` positions."""
    edges = (jnp.zeros((1, ask), jnp.int32), jnp.full((1, ask), answer))
    kept = shaped(1, answer, SIZE.kv_heads, width)
    query = shaped(1, ask, SIZE.heads, width)
    return counted(lambda *given: attend(*given, *edges)[0], query, kept, kept)


@pytest.mark.parametrize(
    "size, architecture",
    [
        *((SIZE, architecture) for architecture in KINDS),
        (UNEVEN, Architecture("encoder_decoder", shared=False, qk_norm=True, logit_cap=30.0)),
        (
            SIZE,
            Architecture("encoder_decoder", tied_stacks=True, merged=True, aligned=True),
        ),
    ],
    ids=lambda one: one.activation if isinstance(one, Architecture) else str(one.encoder_layers),
)
def test_flops_are_those_of_unrolled_compiled_programs_part_by_part(size, architecture):
    model = Transformer(size, architecture, attend=Attend("dense"), unroll=True)
    batch = abstract(architecture.kind, 1, INPUTS, TARGETS)
    weights = jax.eval_shape(model.init, jax.random.key(0), batch)["params"]

    def mean(weights, batch):
        return jnp.sum(jax.nn.logsumexp(model.apply({"params": weights}, batch), axis=-1))

    whole = jax.jit(jax.grad(mean)).lower(weights, batch).compile().cost_analysis()["flops"]
    is_pair = architecture.kind == "encoder_decoder"
    last = TARGETS if is_pair else INPUTS + TARGETS
    read = [(last, last)] * size.layers
    if is_pair:
        deep = size.depth("encoder") - (architecture.aligned and not architecture.tied_stacks)
        read += [(last, INPUTS)] * size.layers + [(INPUTS, INPUTS)] * deep
    attention, wider = (
        sum(attends(*lengths, width) for lengths in read) for width in (SIZE.kv, 2 * SIZE.kv)
    )
    head = counted(jnp.matmul, shaped(last, SIZE.embed), shaped(SIZE.embed, SIZE.vocab))
    found = ledger.training(size, architecture, INPUTS, TARGETS)
    # A softmax costs the same at any width of a head, products twice as much at twice the width.
    assert found.attention == pytest.approx(wider - attention, rel=0.01)
    assert found.head == pytest.approx(head, rel=0.01)
    assert found.body == pytest.approx(whole - attention - head, rel=0.02)
    assert found.total == pytest.approx(whole, rel=0.02)


def test_flops_of_the_head_are_those_of_a_compiled_chunk_for_each_position_that_carries_loss():
    """XLA counts the loop's body once, whatever the number of its turns: one chunk."""
    positions = 64
    given = (shaped(1, positions, SIZE.embed), shaped(SIZE.vocab, SIZE.embed))
    target_BL, weight_BL = jnp.zeros((1, positions), jnp.int32), jnp.ones((1, positions))

    def mean(x_BLD, table_VD):
        return loss.mean(x_BLD, table_VD, target_BL, weight_BL, 1.0, 1e-4)[0]

    compiled = jax.jit(jax.grad(mean, argnums=(0, 1))).lower(*given).compile()
    assert loss.chunk(positions, SIZE.vocab) == positions
    row = (SIZE, Architecture("causal_decoder"), INPUTS, TARGETS)
    found = ledger.training(*row, scored=positions)
    assert found.head == pytest.approx(compiled.cost_analysis()["flops"], rel=0.02)
    every = ledger.training(*row)
    assert found.head * (INPUTS + TARGETS) == every.head * positions
    assert (found.body, found.attention) == (every.body, every.attention)


@pytest.mark.parametrize("name", VISIBILITY)
@pytest.mark.parametrize("window", [5, 1000])
def test_a_window_counts_the_keys_that_it_lets_a_position_see(name, window):
    """Those of a position in the middle of a segment as long as the row."""
    words = {"window": window, "global_every": 2} if name != "encoder" else {"window": window}
    architecture, size = Architecture(name, **words), dataclasses.replace(UNEVEN, layers=5)
    stacks = [(stack, TARGETS, architecture.visibility) for stack in architecture.stacks[-1:]]
    if architecture.kind == "encoder_decoder":
        stacks.insert(0, ("encoder", INPUTS, "full"))
    else:
        stacks = [(stacks[0][0], INPUTS + TARGETS, architecture.visibility)]
    pairs = 0
    for stack, length, sees in stacks:
        edge_BL = np.full((1, length), length)
        split_BL = np.full((1, length), length if sees == "prefix" else 0)
        whole = Stream(edge_BL, edge_BL, np.zeros_like(edge_BL), split_BL, edge_BL)
        start_BL, end_BL = visibility.interval(whole, sees, window=window)
        near = min(length, int((end_BL - start_BL)[0, length // 2]))
        if window >= length:
            near = length
        for number in range(size.depth(stack)):
            pairs += length * (length if architecture.is_global(number) else near)
    if architecture.kind == "encoder_decoder":
        pairs += size.layers * TARGETS * INPUTS
    found = ledger.forward(size, architecture, INPUTS, TARGETS)
    assert found.attention == 4 * size.heads * size.kv * pairs
    assert found.body == ledger.forward(size, Architecture(name), INPUTS, TARGETS).body


def test_experts_cost_what_a_token_meets_of_them_and_the_router():
    """By XLA's count where all tokens meet the only one; how many there are costs the router."""
    architecture = Architecture("encoder", "none")
    one = dataclasses.replace(SIZE, experts=1)
    model = Transformer(one, architecture, attend=Attend("dense"), unroll=True)
    batch = abstract("encoder", 1, INPUTS, TARGETS)
    weights = jax.eval_shape(model.init, jax.random.key(0), batch)["params"]

    def mean(weights, batch):
        return jnp.sum(model.apply({"params": weights}, batch, method=model.read))

    whole = jax.jit(jax.grad(mean)).lower(weights, batch).compile().cost_analysis()["flops"]
    found = ledger.training(one, architecture, INPUTS, TARGETS)
    assert found.body + found.attention == pytest.approx(whole, rel=0.02)
    dense = ledger.forward(SIZE, architecture, INPUTS, TARGETS).body
    token = 2 * SIZE.layers * (INPUTS + TARGETS)
    for experts, choices in ((1, 1), (8, 1), (8, 3)):
        size = dataclasses.replace(SIZE, experts=experts, choices=choices)
        more = (choices - 1) * 3 * SIZE.embed * SIZE.mlp + SIZE.embed * experts
        found = ledger.forward(size, architecture, INPUTS, TARGETS)
        assert found.body == dense + token * more
        stored = parameters(size, architecture)["encoder/layers/experts/up_EDF"]
        assert stored == SIZE.layers * experts * SIZE.embed * SIZE.mlp


def test_six_times_parameters_and_tokens():
    """Kaplan et al. 2020: the body's FLOPs are 6 × parameters × tokens."""
    architecture = Architecture("causal_decoder")
    body = sum(
        number
        for path, number in parameters(SIZE, architecture).items()
        if "/layers/" in path and "norm" not in path
    )
    found = ledger.training(SIZE, architecture, INPUTS, TARGETS)
    assert found.body == 6 * body * (INPUTS + TARGETS)
    assert found.head == 6 * SIZE.vocab * SIZE.embed * (INPUTS + TARGETS)


def test_a_decoder_visits_its_weights_and_an_encoder_decoder_about_half_of_its():
    for name in VISIBILITY:
        architecture = Architecture(name, tied=False)
        counted = parameters(SIZE, architecture)
        stored = sum(
            number
            for path, number in counted.items()
            if "norm" not in path and "embedding" not in path
        )
        seen = ledger.visited(SIZE, architecture, INPUTS, TARGETS)
        if name == "encoder_decoder":
            head = counted["head/head_DV"]
            assert 0.45 < (seen - head * TARGETS / (INPUTS + TARGETS)) / (stored - head) < 0.6
        else:
            assert seen == stored


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("merged", [False, True])
@pytest.mark.parametrize("aligned", [False, True])
def test_flops_of_an_encoder_decoder_are_the_sum_over_both_of_its_stacks(tied, merged, aligned):
    """Counted weight by weight: by how many tokens each is passed.

    Inputs pass the encoder, and whatever key and value the decoder asks them with; where those are
    of the same weights and the same states as the encoder's own, they are there already.
    """
    architecture = Architecture("encoder_decoder", tied_stacks=tied, merged=merged, aligned=aligned)
    body = 0
    for path, number in parameters(SIZE, architecture).items():
        if "/layers/" not in path or "norm" in path:
            continue
        passes = INPUTS if path.startswith("encoder") else TARGETS
        asked = "attention" if merged else "cross"
        if path.startswith("decoder"):
            is_asked = path.startswith((f"decoder/layers/{asked}/key", f"decoder/layers/{asked}/v"))
            passes += INPUTS * (is_asked and not (tied and merged and aligned))
            passes += INPUTS * (tied and "cross" not in path)
            passes -= TARGETS * (is_asked and not merged)
        body += number * passes
    found = ledger.forward(SIZE, architecture, INPUTS, TARGETS)
    assert found.body == 2 * body
    first = SIZE.layers - (aligned and not tied)
    pairs = first * INPUTS**2 + SIZE.layers * TARGETS * (TARGETS + INPUTS)
    assert found.attention == 4 * SIZE.heads * SIZE.kv * pairs


def test_a_window_of_merged_attention_reaches_over_the_inputs_too():
    words = {"window": 5, "global_every": 2}
    merged, apart = (
        ledger.forward(
            SIZE, Architecture("encoder_decoder", merged=one, **words), INPUTS, TARGETS
        ).attention
        for one in (True, False)
    )
    assert apart - merged == 4 * SIZE.heads * SIZE.kv * TARGETS * INPUTS  # in one layer of two


def test_padding_is_told_as_a_share():
    told = Ledger(flops=Flops(1, 2, 3), tokens=200, padding=50).as_dict()
    assert told["padding"] == 0.25 and told["flops"] == {"body": 1, "head": 2, "attention": 3}
    assert Ledger().as_dict()["padding"] == 0.0
