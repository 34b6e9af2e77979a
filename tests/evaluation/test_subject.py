import dataclasses

import pytest

from archlab.evaluation.formats import Format
from archlab.evaluation.passages import Passage
from tests.evaluation.test_measures import WORDS, subject


@pytest.mark.parametrize(
    "formats, kind, visibility, wanted",
    [
        ((), "decoder", "causal", ("causal", "causal")),
        ((), "decoder", "prefix", ("prefix", "prefix")),
        ((), "encoder_decoder", "causal", ("prefix", "prefix")),
        ((), "encoder", "full", ("unmasking", "unmasking")),
        # What was trained on last stands first; what a new architecture cannot hold is passed over.
        ((Format("prefix"), Format("sentinel")), "decoder", "prefix", ("prefix", "sentinel")),
        ((Format("bound"), Format("causal")), "decoder", "causal", ("causal", "causal")),
        (
            (Format("sentinel", "X"), Format("sentinel", "R")),
            "decoder",
            "prefix",
            ("sentinel <X>", "sentinel <R>"),
        ),
    ],
)
def test_a_model_is_asked_as_it_was_trained_to_be(formats, kind, visibility, wanted):
    model = type("Model", (), {"architecture": type("A", (), {"visibility": visibility})})
    made = dataclasses.replace(subject(*formats, kind=kind), model=model)
    assert (made.format().said, made.format(reads_right=True).said) == wanted


def test_tokens_are_cut_where_the_text_is(tmp_path):
    made = subject(Format("causal"))
    (span,) = made.spans([Passage("hé", "llo", "!")])
    assert WORDS.decode(span.left) == "hé" and WORDS.decode(span.middle) == "llo"
    assert WORDS.decode(span.right) == "!"
