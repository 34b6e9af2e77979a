"""A sample is of the rows that a run would read, and what cannot be is refused before."""

import dataclasses

import pytest

from archlab.architecture import Architecture
from archlab.data.pipeline import Rows
from archlab.data.recipes import Data, prepare
from archlab.show import examples, row, sample, statistics
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


def test_examples_are_the_first_rows_and_nothing_else_is_read(tmp_path, monkeypatch):
    folder = str(corpus.written(tmp_path / "text", documents=20))
    module = tmp_path / "rare.py"
    module.write_text(MIXTURE.replace("half", "rare").replace('_lm", 1', '_lm", 39'))
    recipe = prepare(["rare"], Data(folder=folder), (str(module),)).wait()["rare"]
    rows = Rows(recipe, 24, 8, kind="encoder_decoder", seed=0, stage=0)
    architecture = Architecture("encoder_decoder")
    batch = rows.batch(0, 80)
    where = [batch.objective_B.tolist().index(number) for number in range(2)]
    read, make = [], Rows.examples
    monkeypatch.setattr(
        Rows,
        "examples",
        lambda self, first, many: read.append((first, many)) or make(self, first, many),
    )
    found = sample.examples(rows, architecture, 1, "mixed", 80)
    assert read == [(number, 1) for number in sorted(where)]
    for one, number in zip(found, sorted(where), strict=True):
        shown = row.read(batch, number, rows.vocabulary, architecture, rows.objectives)
        assert one.stacks == {name: examples.cut(part) for name, part in shown.stacks.items()}
        assert (one.objective, one.stage, one.stage_name) == (shown.objective, 1, "mixed")
    assert len(sample.examples(rows, architecture, 1, "mixed", max(where))) == 1


@pytest.mark.parametrize("wrong", [{"count": 0}, {"targets": 0}, {"inputs": -1}, {"counted": -1}])
def test_numbers_that_cannot_be(wrong):
    with pytest.raises(ValueError, match="a row learns at least 1 token"):
        sample.take("python_stdlib_prefix_lm", **wrong)


def test_an_architecture_that_is_not_there():
    with pytest.raises(ValueError, match="is not one of causal_decoder"):
        sample.take("python_stdlib_prefix_lm", architecture="decoder")
