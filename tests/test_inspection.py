"""What is seen of a model is what it is, and every cell starts sane."""

import dataclasses
import math

import jax
import numpy as np
import pytest

from archlab import inspection
from archlab.architecture import Architecture
from archlab.model.transformer import Transformer
from archlab.size import Size
from tests.model import by_hand

SIZE = Size(layers=2, embed=64, mlp=128, heads=4, kv=16, vocab=400, positions=32, encoder_layers=3)
DEPTHS = {"encoder_decoder": 5}

# Every word of each list, beside different words of the others; the whole product is a script's.
CELLS = [
    ("causal_decoder", "rope", "rms", "pre", "swiglu"),
    ("causal_decoder", "learned", "layer", "both", "gelu_tanh"),
    ("prefix_decoder", "relative", "rms", "both", "relu"),
    ("encoder_decoder", "none", "layer", "post", "geglu"),
    ("encoder", "learned", "layer", "post", "gelu"),
    ("encoder", "rope", "layer", "pre", "geglu_exact"),
]


def made(name: str, position: str, norm: str, place: str, activation: str, **words) -> Transformer:
    size = SIZE if name == "encoder_decoder" else Size(**{**vars(SIZE), "encoder_layers": 0})
    own = {"norm": norm, "norm_place": place, "bias": norm == "layer", **words}
    return Transformer(size, Architecture(name, position, activation, **own))


@pytest.mark.parametrize("cell", CELLS, ids="-".join)
def test_every_cell_starts_as_what_knows_nothing_and_no_layer_is_dead_or_explodes(cell):
    model = made(*cell, output_scale=0.1)
    found = inspection.inspect(model, 3, 14, 18)
    assert found.loss == pytest.approx(math.log(400), rel=0.02)
    layers = [part for part in found.parts if part.stream is not None]
    assert len(layers) == DEPTHS.get(cell[0], 2)
    for part in layers:
        assert 0.3 < part.stream < 10, part
    for stack in model.architecture.stacks:
        sizes = [part.gradient for part in layers if part.name.startswith(f"{stack}/")]
        assert 0 < max(sizes) < 10 * min(sizes), sizes
    assert all(part.gradient > 0 for part in found.parts)


@pytest.mark.parametrize("tied", [True, False])
def test_layers_of_both_stacks_are_told_and_every_weight_is_learnt_on_each_rung(tied):
    rungs = {"tied_stacks": tied, "merged": True, "aligned": True}
    cell = ("encoder_decoder", "rope", "rms", "pre", "relu")
    model = made(*cell, **rungs)
    model = model.clone(size=dataclasses.replace(model.size, encoder_layers=0))
    found = inspection.inspect(model, 2, 5, 6)
    layers = [part.name for part in found.parts if part.stream is not None]
    assert layers == ["encoder/0", *["encoder/1"] * tied, "decoder/0", "decoder/1"]
    same = {part.name: part.gradient for part in found.parts}
    assert (same["encoder/0"] == same["decoder/0"]) == tied
    assert all(part.gradient > 0 for part in found.parts)


def test_what_is_seen_is_the_stream_the_loss_and_the_gradient_themselves():
    model = made("encoder", "none", "rms", "pre", "relu", tied=False)
    found = inspection.inspect(model, 2, 5, 6, seed=3)
    batch = inspection.drawn("encoder", 2, 5, 6, 400, seed=3)
    weights = jax.device_get(jax.jit(model.init)(jax.random.key(3), batch)["params"])
    logits = by_hand.logits(model.size, model.architecture, weights, batch)
    logs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    chosen = np.take_along_axis(logs, batch.target_BL[..., None].astype(int), -1)[..., 0]
    assert found.loss == pytest.approx(-chosen[:, 5:].mean(), rel=1e-5)
    # The head's gradient: what each logit is too likely by, times what it is read off.
    places = {part.name: part for part in found.parts}
    wide = by_hand.Row(model.size, model.architecture, by_hand.wide(weights), 0)
    slope = np.zeros_like(weights["head"]["head_DV"], np.float64)
    for row in range(2):
        wide.row = row
        x, _ = wide.stack("encoder", "embedding", batch.encoder, "full")
        odds = np.exp(logs[row])
        odds[np.arange(11), batch.target_BL[row]] -= 1
        slope += x[5:].T @ odds[5:] / 12
    assert places["head/head_DV"].gradient == pytest.approx(math.sqrt((slope**2).mean()), rel=1e-4)
    streams = [name for name, part in places.items() if part.stream is not None]
    assert streams == ["encoder/0", "encoder/1"]


def test_rows_drawn_are_whole_and_learn_their_targets():
    lengths = {"decoder": (None, 11), "encoder_decoder": (5, 6), "encoder": (11, None)}
    for kind, expected in lengths.items():
        batch = inspection.drawn(kind, 2, 5, 6, 40, seed=0)
        found = [stream and stream.tokens_BL.shape[1] for stream in (batch.encoder, batch.decoder)]
        assert tuple(found) == expected
        assert batch.weight_BL.sum() == 12 and batch.target_BL.max() < 40
        last = batch.decoder or batch.encoder
        assert (last.end_BL == last.tokens_BL.shape[1]).all()
