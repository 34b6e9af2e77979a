import pytest

from archlab.refusal import Refusal
from archlab.surgery.choices import Surgery


@pytest.mark.parametrize(
    "field, value, said",
    [
        ("cross", "selfish", "did you mean 'self'"),
        ("depth", "stacks", "did you mean 'stack'"),
        ("rows", "average", "mean.*fresh"),
        ("frozen", -1, "it is 0 or more"),
    ],
)
def test_what_cannot_be_is_refused(field, value, said):
    with pytest.raises(Refusal, match=f"Surgery.{field}=.*{said}") as caught:
        Surgery(**{field: value})
    assert caught.value.about == f"Surgery.{field}"
