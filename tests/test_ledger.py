import jax
import jax.numpy as jnp
import pytest

from archlab import ledger
from archlab.architecture import VISIBILITY, Architecture
from archlab.batch import abstract
from archlab.ledger import Flops, Ledger
from archlab.model.transformer import Transformer, parameters
from archlab.size import Size
from archlab.train import loss

SIZE = Size(layers=2, embed=256, mlp=768, heads=4, kv=64, vocab=512, kv_heads=2)
INPUTS, TARGETS = 96, 64


@pytest.mark.parametrize("activation", ["swiglu", "relu"])
@pytest.mark.parametrize("name", VISIBILITY)
def test_flops_are_those_of_an_unrolled_compiled_program(name, activation):
    architecture = Architecture(name, "none", activation)
    model = Transformer(SIZE, architecture, unroll=True)
    batch = abstract(architecture.kind, 1, INPUTS, TARGETS)
    weights = jax.eval_shape(model.init, jax.random.key(0), batch)["params"]

    def mean(weights, batch):
        logits_BLV = model.apply({"params": weights}, batch)
        sums = loss.sums(logits_BLV, batch.target_BL, batch.weight_BL, 0.0)
        return jnp.sum(sums.loss_B)

    compiled = jax.jit(jax.grad(mean)).lower(weights, batch).compile()
    counted = compiled.cost_analysis()["flops"]
    analytic = ledger.training(SIZE, architecture, INPUTS, TARGETS).total
    assert analytic == pytest.approx(counted, rel=0.02)


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


def test_flops_of_an_encoder_decoder_are_the_sum_over_both_of_its_stacks():
    """Counted weight by weight: inputs pass the encoder and the decoder's cross key and value."""
    architecture = Architecture("encoder_decoder")
    body = 0
    for path, number in parameters(SIZE, architecture).items():
        if "/layers/" not in path or "norm" in path:
            continue
        is_read_by_inputs = (
            path.startswith("encoder") or "cross/key" in path or "cross/value" in path
        )
        body += number * (INPUTS if is_read_by_inputs else TARGETS)
    assert ledger.forward(SIZE, architecture, INPUTS, TARGETS).body == 2 * body


def test_padding_is_told_as_a_share():
    told = Ledger(flops=Flops(1, 2, 3), tokens=200, padding=50).as_dict()
    assert told["padding"] == 0.25 and told["flops"] == {"body": 1, "head": 2, "attention": 3}
    assert Ledger().as_dict()["padding"] == 0.0
