import jax.numpy as jnp
import numpy as np
import pytest

from archlab.batch import Stream
from archlab.model import visibility
from tests import drawn

PICTURES = {  # a row per position, a column per key: two segments (3 and 2 long) and padding
    "causal": ["1.....", "11....", "111...", "...1..", "...11.", "......"],
    "prefix": ["11....", "11....", "111...", "...1..", "...11.", "......"],
    "full": ["111...", "111...", "111...", "...11.", "...11.", "......"],
}


def two_segments() -> Stream:
    return drawn.stream(np.random.default_rng(0), [[(0, 2, 3), (3, 3, 5)]], 6, 9)


@pytest.mark.parametrize("name", PICTURES)
def test_each_visibility_is_its_picture(name):
    start_BL, end_BL = visibility.interval(two_segments(), name)
    seen = [
        "".join("1" if low <= key < high else "." for key in range(6))
        for low, high in zip(start_BL[0].tolist(), end_BL[0].tolist(), strict=True)
    ]
    assert seen == PICTURES[name]


@pytest.mark.parametrize("window", [1, 2, 5])
@pytest.mark.parametrize("name", PICTURES)
def test_a_window_hides_the_keys_that_are_farther_to_either_side(name, window):
    start_BL, end_BL = visibility.interval(two_segments(), name, window=window)
    for query, picture in enumerate(PICTURES[name]):
        seen = [start_BL[0, query] <= key < end_BL[0, query] for key in range(6)]
        near = [abs(key - query) <= window for key in range(6)]
        assert seen == [
            mark == "1" and is_near for mark, is_near in zip(picture, near, strict=True)
        ]


@pytest.mark.parametrize("window", [0, 1])
@pytest.mark.parametrize("name", PICTURES)
def test_a_row_read_piece_by_piece_has_the_intervals_of_the_row(name, window):
    whole = two_segments()
    start_BL, end_BL = visibility.interval(whole, name, window=window)
    for place in range(6):
        piece = Stream(
            *(
                getattr(whole, field)[:, place : place + 1]
                for field in ("tokens_BL", "position_BL", "start_BL", "split_BL", "end_BL")
            )
        )
        low_BL, high_BL = visibility.interval(piece, name, jnp.int32(place), window)
        assert (int(low_BL[0, 0]), int(high_BL[0, 0])) == (start_BL[0, place], end_BL[0, place])


def test_a_window_reaches_back_into_the_memory_in_which_a_text_begins():
    start_BL, end_BL = (jnp.asarray([edge]) for edge in ([2, 2, 2, 0], [5, 5, 5, 0]))
    position_BL = jnp.asarray([[3, 4, 6, 0]])  # after three inputs; the last is padding
    for window, seen in ((0, "3330"), (2, "2100"), (1, "1000"), (9, "3330")):
        low_BL, high_BL = visibility.behind(start_BL, end_BL, position_BL, window)
        many = np.maximum(high_BL - low_BL, 0)[0]
        assert "".join(map(str, many)) == seen


def test_an_unknown_visibility_is_refused():
    with pytest.raises(ValueError, match="'sideways' is not one of causal, prefix, full"):
        visibility.interval(two_segments(), "sideways")
