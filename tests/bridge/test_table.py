import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archlab.bridge.table import Pair, Table
from archlab.size import Size

SIZE = Size(layers=2, embed=5, mlp=7, heads=6, kv_heads=2, kv=4, vocab=11)
QUERY = Pair("a/query_DHK", "layer.{}.q", "HK D", layers=2)
KEY = Pair("a/key_DGK", "layer.{}.qkv", "D 3GK", layers=2, part=1)
FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)


def drawn(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def test_a_layout_says_where_each_number_goes():
    array = drawn(6 * 4, 5)
    found = QUERY.taken(array, SIZE)
    assert found.shape == (5, 6, 4) and QUERY.stored(SIZE) == (24, 5)
    for d, h, k in np.ndindex(5, 6, 4):
        assert found[d, h, k] == array[h * 4 + k, d]
    np.testing.assert_array_equal(QUERY.given(found, SIZE), array)


def test_one_array_may_hold_several_weights():
    array = drawn(5, 3 * 2 * 4)
    assert KEY.stored(SIZE) == array.shape and KEY.divided == 1
    found = KEY.taken(array, SIZE)
    for d, g, k in np.ndindex(5, 2, 4):
        assert found[d, g, k] == array[d, 8 + g * 4 + k]
    np.testing.assert_array_equal(KEY.given(found, SIZE), array[:, 8:16])


def test_layers_are_stacked_outermost():
    assert QUERY.sources == [("layer.0.q", 0), ("layer.1.q", 1)]
    assert QUERY.shape(SIZE) == (2, 5, 6, 4)
    alone = Pair("table_VD", "embed", "V D")
    assert alone.sources == [("embed", 0)] and alone.shape(SIZE) == (11, 5)


def test_of_two_letters_that_are_alike_the_second_is_small():
    array = drawn(5, 5)
    pair = Pair("transform_DD", "dense", "d D")
    np.testing.assert_array_equal(pair.taken(array, SIZE), array.T)
    np.testing.assert_array_equal(pair.given(array.T, SIZE), array)


def test_layers_that_store_no_weight_have_ones():
    table = Table(SIZE, (Pair("scale_D", "layer.{}.norm", "D", layers=3, first=1),))
    stored = {f"layer.{number}.norm": drawn(5) + number for number in (1, 2)}
    assert table.check({name: one.shape for name, one in stored.items()}) == []
    scale_ND = table.weights(stored, stored.__getitem__)["scale_D"]
    np.testing.assert_array_equal(scale_ND, [np.ones(5), *stored.values()])
    back = table.arrays({"scale_D": scale_ND})
    for name, array in stored.items():
        np.testing.assert_array_equal(back(name), array)


def test_what_is_added_to_every_row_is_zero_when_it_is_written():
    table = Table(SIZE, (Pair("table_VD", "place", "V D", plus="kind"),))
    stored = {"place": drawn(11, 5), "kind": drawn(2, 5)}
    assert table.shapes == {"place": (11, 5), "kind": (2, 5)}
    weights = table.weights(stored, stored.__getitem__)
    np.testing.assert_array_equal(weights["table_VD"], stored["place"] + stored["kind"][0])
    back = table.arrays(weights)
    np.testing.assert_array_equal(back("kind"), np.zeros((2, 5)))
    np.testing.assert_array_equal(back("place"), weights["table_VD"])


@given(st.lists(FLOATS, min_size=1, max_size=30), st.sampled_from([24**0.5, 24**-0.5, 10**0.5, 8]))
def test_what_was_taken_once_comes_back_to_the_bit(values, factor):
    """However a factor rounds: what is given for a weight that was taken is taken for it again."""
    array = np.array(values, np.float32)
    array = array[np.abs(array) < np.finfo(np.float32).max / 32]  # or the product is not finite
    array = array[(np.abs(array) > 1e-30) | (array == 0)]  # or it loses bits at the bottom
    size = Size(layers=1, embed=max(len(array), 1), mlp=1, heads=1, kv=2, vocab=1)
    pair = Pair("scale_D", "norm", "D", factor)
    taken = pair.taken(np.resize(array, size.embed).astype(np.float32), size)
    np.testing.assert_array_equal(pair.taken(pair.given(taken, size), size), taken)


def test_a_factor_is_a_product_rounded_once():
    array = drawn(5)
    taken = Pair("scale_D", "norm", "D", 1.7).taken(array, SIZE)
    np.testing.assert_array_equal(taken, (array.astype(np.float64) * 1.7).astype(np.float32))


TABLE = Table(
    SIZE,
    (
        QUERY,
        Pair("a/query_bias_HK", "layer.{}.qkv", "3HK", layers=2),
        Pair("a/key_bias_HK", "layer.{}.qkv", "3HK", layers=2, part=1),
        Pair("a/value_bias_HK", "layer.{}.qkv", "3HK", layers=2, part=2),
        Pair("table_VD", "embed", "V D", 0.5),
        Pair("head_DV", "head", "V D"),
    ),
    copies={"head": "embed", "also": "embed"},
    spare=(r"layer\.\d\.mask",),
)
SHAPES = {"embed": (11, 5), "head": (11, 5)}
SHAPES |= {
    f"layer.{n}.{name}": shape for n in (0, 1) for name, shape in (("q", (24, 5)), ("qkv", (72,)))
}


def arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    return {name: rng.normal(size=shape).astype(np.float32) for name, shape in SHAPES.items()}


def test_a_table_knows_all_names_and_counts():
    assert TABLE.shapes == SHAPES
    assert TABLE.parameters == 2 * 24 * 5 + 2 * 72 + 2 * 11 * 5


def test_both_directions_undo_each_other():
    stored = arrays()
    assert TABLE.check(SHAPES) == []
    weights = TABLE.weights(stored, stored.__getitem__)
    assert weights["a"]["query_DHK"].shape == (2, 5, 6, 4)
    np.testing.assert_array_equal(weights["table_VD"], stored["embed"] / 2)
    back = TABLE.arrays(weights)
    for name, array in stored.items():
        np.testing.assert_array_equal(back(name), array)


def test_what_repeats_another_may_be_absent_and_must_be_equal():
    stored = arrays()
    del stored["head"]
    assert TABLE.check({name: one.shape for name, one in stored.items()}) == []
    weights = TABLE.weights(stored, stored.__getitem__)
    np.testing.assert_array_equal(weights["head_DV"], stored["embed"].T)
    stored["also"] = stored["embed"].copy()
    TABLE.weights(stored, stored.__getitem__)
    stored["also"][3, 2] += 1
    with pytest.raises(ValueError, match="also and embed differ; in this model they are one"):
        TABLE.weights(stored, stored.__getitem__)


def test_what_is_spare_is_named():
    assert TABLE.check(SHAPES | {"layer.1.mask": (3, 3)}) == ["layer.1.mask"]


@pytest.mark.parametrize(
    "change, said",
    [
        ({"embed": None}, "it lacks embed, head$"),
        ({"layer.1.q": None}, "it lacks layer.1.q$"),
        ({"embed": (11, 6)}, r"embed has shape \(11, 6\), and its configuration says \(11, 5\)"),
        ({"new": (1,)}, "no place for new$"),
        ({f"new{n}": (1,) for n in range(5)}, "no place for new0, new1, new2 and 2 more$"),
    ],
)
def test_what_is_missing_odd_or_strange_is_named(change, said):
    found = {name: shape for name, shape in (SHAPES | change).items() if shape}
    if change == {"embed": None}:
        del found["head"]
    with pytest.raises(ValueError, match=said):
        TABLE.check(found)
