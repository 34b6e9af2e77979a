"""Where weights come from, on paper: by path, layer by layer, row by row."""

import dataclasses
import itertools

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from archlab.architecture import RUNGS, VISIBILITY, Architecture
from archlab.model.transformer import Transformer, parameters
from archlab.size import Size
from archlab.surgery.choices import DEPTH, Surgery
from archlab.surgery.compatibility import check
from archlab.surgery.origins import Origin, dropped, layers, origins

SIZE = Size(layers=2, embed=16, mlp=24, heads=4, kv=6, vocab=40, kv_heads=2, buckets=8)
COUNTS = st.integers(1, 9)


def sources(old: str, new: str, surgery: Surgery = Surgery(), **ingredients) -> dict[str, Origin]:  # noqa: B008 - it is frozen
    """Origins by path, between two names of one size."""
    own = Architecture(old, **ingredients)
    pair = (Transformer(SIZE, own), Transformer(SIZE, own.named(new)))
    return {origin.path: origin for origin in origins(*pair, surgery)}


@pytest.mark.parametrize("old, new", [*itertools.product(VISIBILITY, VISIBILITY)])
@pytest.mark.parametrize("layers, vocab", [(2, 40), (5, 56), (1, 24)])
def test_counts_add_up_to_those_of_the_trees(old, new, layers, vocab):
    size = dataclasses.replace(SIZE, layers=layers, vocab=vocab)
    pair = (Transformer(SIZE, Architecture(old)), Transformer(size, Architecture(new)))
    for depth in DEPTH:
        found = origins(*pair, Surgery(depth=depth))
        assert {one.path: one.copied + one.made for one in found} == parameters(
            size, Architecture(new)
        )
        had, left = parameters(SIZE, Architecture(old)), dropped(pair[0], found)
        assert set(left) <= set(had)
        taken = {one.source for one in found if one.copied}
        assert {path for path in had if path not in taken} <= set(left)
        assert all(0 < many <= had[path] for path, many in left.items())
        if (old, layers, vocab) == (new, 2, 40):
            assert all(one.is_whole for one in found) and not left


def test_a_stack_that_is_new_is_the_other_one_s():
    found = sources("causal_decoder", "encoder_decoder")
    for stack in ("encoder", "decoder"):
        assert found[f"{stack}/layers/mlp/up_DF"].source == "decoder/layers/mlp/up_DF"
        assert not found[f"{stack}/layers/mlp/up_DF"].moves.any()
    found = sources("encoder", "prefix_decoder")
    assert found["decoder/norm/scale_D"].source == "encoder/norm/scale_D"
    found = sources("encoder_decoder", "causal_decoder")
    assert {one.source for one in found.values()} == set(found) and len(found) == 11


def test_attention_to_the_other_stack_is_attention_to_itself_or_made():
    found = sources("causal_decoder", "encoder_decoder", norm_place="both")
    for name in ("/query_DHK", "_norm/scale_D", "_post_norm/scale_D"):
        one = found[f"decoder/layers/cross{name}"]
        assert one.source == f"decoder/layers/attention{name}"
        assert not one.made and one.moves.all()
    found = sources("causal_decoder", "encoder_decoder", Surgery(cross="fresh"))
    one = found["decoder/layers/cross/query_DHK"]
    assert not one.source and one.made == 2 * 16 * 4 * 6 and one.moves.all()
    found = sources("causal_decoder", "encoder_decoder", Surgery(cross="silent"), bias=True)
    made = {path for path, one in found.items() if one.made}
    assert made == {f"decoder/layers/cross/{name}" for name in ("out_HKD", "out_bias_D")}


def test_an_encoder_alone_has_the_table_that_it_read():
    found = sources("encoder_decoder", "encoder", shared=False)
    assert found["embedding/table_VD"].source == "encoder_embedding/table_VD"
    found = sources("encoder_decoder", "causal_decoder", shared=False)
    assert found["embedding/table_VD"].source == "embedding/table_VD"
    old = Transformer(SIZE, Architecture("encoder"))
    new = Transformer(SIZE, Architecture("encoder_decoder", shared=False))
    both = {one.path: one.source for one in origins(old, new, Surgery())}
    assert both["encoder_embedding/table_VD"] == both["embedding/table_VD"] == "embedding/table_VD"


def test_a_head_of_its_own_is_the_table_that_logits_were_read_off():
    old = Transformer(SIZE, Architecture("encoder_decoder", shared=False))
    for name in ("encoder_decoder", "encoder", "causal_decoder"):
        apart = dataclasses.replace(old.architecture.named(name), tied=False)
        new = Transformer(dataclasses.replace(SIZE, vocab=43), apart)
        found = {one.path: one for one in origins(old, new, Surgery())}
        head = found["head/head_DV"]
        assert (head.source, head.was, head.axis) == ("embedding/table_VD", (16, 40), 1)
        assert head.is_turned and not head.is_whole and head.made == 3 * 16
        np.testing.assert_array_equal(head.moves.ravel(), np.arange(43) >= 40)
    # What nobody took of the table, as rows, is what the head did not take, as columns.
    new = Transformer(dataclasses.replace(SIZE, vocab=24), apart)
    (head,) = (one for one in origins(old, new, Surgery()) if one.is_turned)
    np.testing.assert_array_equal(head.taken, np.arange(40)[:, None] < 24)
    assert dropped(old, (head,))["embedding/table_VD"] == 16 * 16
    # A head that there was is itself; one that is tied again is dropped.
    both = Transformer(SIZE, apart), Transformer(SIZE, old.architecture.named("causal_decoder"))
    assert dropped(both[0], origins(*both, Surgery())) == {"head/head_DV": 16 * 40}


@pytest.mark.parametrize(
    "old, new, stack, is_copied",
    [
        ("causal_decoder", "prefix_decoder", "decoder", False),
        ("causal_decoder", "encoder_decoder", "decoder", True),
        ("causal_decoder", "encoder_decoder", "encoder", False),
        ("encoder", "prefix_decoder", "decoder", True),
        ("encoder", "causal_decoder", "decoder", False),
        ("encoder_decoder", "encoder", "encoder", True),
    ],
)
def test_distances_are_copied_where_they_are_sorted_alike(old, new, stack, is_copied):
    one = sources(old, new, position="relative")[f"{stack}/bias_RH"]
    assert bool(one.copied) == is_copied == (not one.moves.all())


RICH = {
    "position": "learned",
    "norm": "layer",
    "bias": True,
    "embedding_norm": True,
    "qk_norm": True,
    "head": "transformed",
    "tied": False,
}


def test_an_encoder_decoder_that_is_a_prefix_decoder_becomes_one_whole():
    top = dict.fromkeys(RUNGS, True)
    found = sources("encoder_decoder", "prefix_decoder", **top)
    assert all(one.is_whole and one.source == path for path, one in found.items())
    old = Transformer(SIZE, Architecture("encoder_decoder", **top))
    assert not dropped(old, tuple(found.values()))


def test_stacks_that_are_tied_are_the_decoder_s_and_those_that_no_longer_are_both_begin_as_it():
    plain, tied = Architecture("encoder_decoder"), Architecture("encoder_decoder", tied_stacks=True)
    both = Transformer(SIZE, plain), Transformer(SIZE, tied)
    for old, new in (both, both[::-1]):
        found = {one.path: one.source for one in origins(old, new, Surgery())}
        for path, source in found.items():
            assert source == path.replace("encoder/", "decoder/")
    left = dropped(both[0], origins(*both, Surgery()))
    assert left and all(path.startswith("encoder/") for path in left)


def test_ingredients_that_one_side_lacks_are_made_or_dropped():
    size = dataclasses.replace(SIZE, positions=20)
    plain = Transformer(size, Architecture("encoder", norm="layer"))
    rich = Transformer(size, Architecture("encoder", **RICH))
    made = {one.path: one.made for one in origins(plain, rich, Surgery()) if one.made}
    left = dropped(rich, origins(rich, plain, Surgery()))
    # A head is the table that it was; it is dropped where the table serves again.
    assert made | {"head/head_DV": 16 * 40} == left and "head/head_DV" not in made
    for name in ("place_UD", "embedding_norm/scale_D", "layers/attention/query_norm/scale_K"):
        assert f"encoder/{name}" in made
    for name in ("transform_DD", "bias_V", "norm/scale_D"):
        assert f"head/{name}" in made
    assert "encoder/norm/bias_D" in made and "encoder/norm/scale_D" not in made


def test_rungs_of_the_ladder_go_by_the_same_rule():
    def rung(*names: str) -> Transformer:
        ladder = dict.fromkeys(names, True)
        return Transformer(SIZE, Architecture("encoder_decoder", **ladder))

    plain, tied = rung(), rung("tied_stacks")
    found = {one.path: one for one in origins(tied, plain, Surgery())}
    assert found["encoder/layers/mlp/up_DF"].source == "decoder/layers/mlp/up_DF"
    assert not any(one.made for one in found.values())
    assert all(one.is_whole for one in origins(plain, tied, Surgery()))
    tables = [dataclasses.replace(one.architecture, position="relative") for one in (tied, plain)]
    pair = [Transformer(SIZE, one) for one in tables]
    made = {one.path for one in origins(*pair, Surgery()) if one.made}
    assert made == {"decoder/bias_RH"}  # one table for both stacks looks ahead
    # The top rung is the prefix decoder, and a merged attention is what the decoder asks itself.
    top, prefix = rung(*RUNGS), Transformer(SIZE, Architecture("prefix_decoder"))
    for pair in ((top, prefix), (prefix, top)):
        found = origins(*pair, Surgery())
        assert all(one.is_whole for one in found) and not dropped(pair[0], found)
        check(*pair, Surgery())
    left = dropped(plain, origins(plain, rung("merged"), Surgery()))
    assert {path.split("/")[2] for path in left} == {"cross", "cross_norm"}
    # An aligned encoder is one layer less deep.
    found = {one.path: one for one in origins(plain, rung("aligned"), Surgery())}
    assert found["encoder/layers/mlp/up_DF"].layers == (0,)
    assert found["decoder/layers/mlp/up_DF"].layers == (0, 1)


@hypothesis.given(COUNTS, COUNTS, st.sampled_from(DEPTH))
def test_layers_of_any_depth(many, wanted, how):
    found = layers(many, wanted, how)
    assert len(found) == wanted and found[0] == 0 and set(found) <= set(range(many))
    if wanted >= many:
        assert set(found) == set(range(many))
        counts = [found.count(layer) for layer in range(many)]
        assert max(counts) - min(counts) <= 1
        back = [found[layer] for layer in layers(wanted, many, how)]
        assert back == list(range(many))
    if how != "stack":
        assert list(found) == sorted(found)


def test_layers_and_rows_that_are_new_are_told_from_those_that_were():
    old = Transformer(SIZE, Architecture("encoder", tied=False))
    new = Transformer(dataclasses.replace(SIZE, layers=4, vocab=43), old.architecture)
    found = {one.path: one for one in origins(old, new, Surgery(depth="silent"))}
    out, up = (found[f"encoder/layers/{name}"] for name in ("attention/out_HKD", "mlp/up_DF"))
    assert out.layers == up.layers == (0, 0, 1, 1)
    new_NHKD, new_NDF = out.moves, up.moves
    np.testing.assert_array_equal(new_NHKD.ravel(), [False, True, False, True])
    np.testing.assert_array_equal(new_NDF.ravel(), new_NHKD.ravel())
    assert (out.made, up.made) == (2 * 4 * 6 * 16, 0)
    for name, axis in (("embedding/table_VD", 0), ("head/head_DV", 1)):
        one = found[name]
        assert (one.axis, one.made, one.rows) == (axis, 3 * 16, "mean")
        np.testing.assert_array_equal(one.moves.ravel(), np.arange(43) >= 40)
