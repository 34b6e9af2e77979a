import pytest

from archlab.generation.manner import Manner

NAN, INFINITE = float("nan"), float("inf")


@pytest.mark.parametrize(
    "settings, said",
    [
        ({"tokens": 0}, "tokens=0; at least 1"),
        ({"temperature": -1.0}, "temperature=-1.0"),
        ({"temperature": NAN}, "temperature=nan"),
        ({"temperature": INFINITE}, "temperature=inf"),
        ({"seed": -1}, "seed=-1; it is 0 or more, below 4294967296"),
        ({"seed": 2**32}, "seed=4294967296"),
        ({"seed": 10**30}, "seed=1000"),
        ({"top_k": -1}, "top_k=-1; it counts tokens"),
        ({"top_p": 0.0}, "top_p=0.0; it is a share above 0"),
        ({"top_p": NAN}, "top_p=nan"),
        ({"top_p": 1.5}, "top_p=1.5"),
        ({"beams": 0}, "beams=0; at least 1"),
        ({"beams": 2, "penalty": -1.0}, "penalty=-1.0"),
        ({"order": "lefft"}, "order='lefft' is not one of left, .* did you mean 'left'"),
        ({"passes": -1}, "passes=-1"),
        ({"top_k": 3}, "top_k=3 cuts what is drawn from, and temperature=0 draws nothing"),
        ({"top_p": 0.5}, "top_p=0.5 cuts what is drawn from"),
        ({"beams": 2, "temperature": 1.0}, "beams=2 keeps the likeliest .* temperature=1.0 draws"),
        ({"penalty": 0.6}, "penalty=0.6 compares alternatives, and beams=1 keeps none"),
        ({"tokens": 3, "passes": 4}, "passes=4, and tokens=3; each pass says at least 1"),
    ],
)
def test_what_cannot_be_is_refused(settings, said):
    with pytest.raises(ValueError, match=said):
        Manner(**settings)


def test_what_can_be_is_not():
    Manner(tokens=9, temperature=0.5, top_k=3, top_p=0.9, seed=2**32 - 1)
    Manner(tokens=9, beams=4, penalty=0.6)
    Manner(tokens=9, order="confident", passes=9)
