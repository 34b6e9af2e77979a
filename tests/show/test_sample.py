"""A sample is of the rows that a run would read, and what cannot be is refused before."""

import dataclasses

import pytest

from archlab.architecture import Architecture
from archlab.data.pipeline import Rows
from archlab.data.recipes import Data, prepare
from archlab.show import row, sample, statistics
from tests import corpus

MIXTURE = """
import seqio

seqio.MixtureRegistry.add("half", [("folder_prefix_lm", 1), ("folder_span_corruption", 1)])
"""


def test_a_mixture_is_shown_as_a_run_reads_it(tmp_path):
    folder = str(corpus.written(tmp_path / "text", documents=20))
    module = tmp_path / "half.py"
    module.write_text(MIXTURE)
    lengths = {"inputs": 24, "targets": 8}
    shown = sample.take("half", "encoder_decoder", 24, 8, 2, 64, Data(folder), (str(module),))
    recipe = prepare(["half"], Data(folder=folder), (str(module),)).wait()["half"]
    rows = Rows(recipe, **lengths, kind="encoder_decoder", seed=0, stage=0)
    batch, words = rows.batch(0, 64), rows.vocabulary
    architecture = Architecture("encoder_decoder")
    for number, one in enumerate(shown.rows):
        expected = row.read(batch, number, words, architecture, rows.objectives)
        assert (str(one), one.stacks) == (str(expected), expected.stacks)
    assert len(shown.rows) == 2
    assert shown.statistics == statistics.statistics(batch, words, rows.objectives)
    assert [one.name for one in shown.statistics] == [*rows.objectives, "all"]
    assert shown.statistics[-1].rows == 64
    assert shown.warnings == rows.warnings

    fewer = sample.take("half", "encoder_decoder", 24, 8, 3, 1, Data(folder), (str(module),))
    assert (len(fewer.rows), fewer.statistics[-1].rows) == (3, 1)
    none = sample.take("half", "encoder_decoder", 24, 8, 1, 0, Data(folder), (str(module),))
    assert not none.statistics
    plain = [dataclasses.replace(one, sights=[]) for one in (*shown.rows, *none.rows)]
    assert plain[0] == plain[2], "what is counted changes no row"


@pytest.mark.parametrize("wrong", [{"count": 0}, {"targets": 0}, {"inputs": -1}, {"counted": -1}])
def test_numbers_that_cannot_be(wrong):
    with pytest.raises(ValueError, match="a row learns at least 1 token"):
        sample.take("python_stdlib_prefix_lm", **wrong)


def test_an_architecture_that_is_not_there():
    with pytest.raises(ValueError, match="is not one of causal_decoder"):
        sample.take("python_stdlib_prefix_lm", architecture="decoder")
