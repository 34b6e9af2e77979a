import dataclasses

import jax
import numpy as np
import pytest

from archlab.architecture import Architecture
from archlab.data import pipeline
from archlab.mesh import Mesh
from archlab.model.transformer import Transformer
from archlab.program import Program
from archlab.refusal import Refusal
from archlab.stages import Schedule
from archlab.surgery.choices import Surgery
from tests import corpus, drawn

WIDE = Mesh(2, 4)


def program(mesh: Mesh = WIDE, number: int = 0, **settings) -> Program:
    stages = [corpus.stage("prefix_lm", steps=5, **settings), corpus.stage("prefix_lm", steps=3)]
    run = corpus.run("unread", "prefix_decoder", stages)
    return Program(run, number, mesh.build(jax.devices()[: mesh.data * mesh.model]))


def test_it_learns_and_scores_and_the_score_falls():
    one = program()
    state = one.first()
    batch = drawn.batch("decoder", 16, 24, 8, 384)
    before, objective_B = jax.device_get(one.score(state.weights, one.put(batch)))
    for _ in range(5):
        state, outcome = one.learn(state, one.put(batch))
    after, _ = jax.device_get(one.score(state.weights, one.put(batch)))
    assert after.loss_B.sum() < before.loss_B.sum()
    np.testing.assert_array_equal(objective_B, batch.objective_B)
    np.testing.assert_array_equal(after.weight_B, batch.weight_BL.sum(axis=1))
    assert not after.z_B.any() and outcome.sums.z_B.any()


def test_it_scores_as_many_rows_at_once_as_it_learns_from():
    one = program(Mesh(1, 1), accumulate=4)
    assert one.microbatch.objective_B.shape == (4,)
    state, batch = one.first(), drawn.batch("decoder", 4, 24, 8, 384)
    assert one.score(state.weights, one.put(batch))[0].loss_B.shape == (4,)
    room = [part.memory_analysis().temp_size_in_bytes for part in (one.score, one.learn)]
    assert room[0] < room[1]


def test_the_first_weights_are_the_seed_s_and_the_same_on_every_mesh():
    first = jax.device_get(program().first().weights)
    jax.tree.map(np.testing.assert_array_equal, first, program(Mesh(1, 1)).first().weights)
    other = program()
    other = dataclasses.replace(other, run=dataclasses.replace(other.run, seed=1))
    assert (
        np.asarray(other.first().weights["embedding"]["table_VD"]) != first["embedding"]["table_VD"]
    ).any()


def test_a_stage_knows_the_steps_before_it():
    assert program().steps_before == 0 and program(number=1).steps_before == 5


@pytest.mark.parametrize(
    "settings, said, about",
    [
        (
            {"rows": 18, "accumulate": 9},
            "stage folder_prefix_lm: rows=2 .* data=8; .* is 8",
            "Stage.rows",
        ),
        (
            {"schedule": Schedule("cosine", warmup=6)},
            "stage folder_prefix_lm: a warm-up of 6",
            "Schedule.warmup",
        ),
    ],
)
def test_what_does_not_fit_is_found_before_anything_is_compiled(settings, said, about):
    with pytest.raises(Refusal, match=said) as caught:
        program(Mesh(8, 1), **settings).check()
    assert (caught.value.about, caught.value.stage) == (about, 0)


def test_weights_that_do_not_divide_are_found_too():
    one = program(Mesh(1, 8))
    with pytest.raises(Refusal, match="heads=4 does not divide over model=8; .* is 8") as caught:
        one.check()
    assert caught.value.about == "Size.heads"


def test_there_is_no_other_memory_to_offload_to_on_a_cpu():
    one = program(Mesh(1, 1))
    one = dataclasses.replace(one, run=dataclasses.replace(one.run, remat="offload"))
    with pytest.raises(Refusal, match="'offload' needs .* pinned_host memory, and cpu") as caught:
        one.check()
    assert caught.value.about == "Run.remat"


def test_a_kernel_that_does_not_run_here_is_found_before_anything_is_compiled():
    one = program(Mesh(1, 1))
    one = dataclasses.replace(one, run=dataclasses.replace(one.run, attention="pallas"))
    with pytest.raises(Refusal, match="kernel for TPUs, and the devices are cpu") as caught:
        one.check()
    assert (caught.value.about, caught.value.stage) == ("Run.attention", 0)


def test_what_no_row_can_be_made_of_is_about_the_stage_s_mixture(monkeypatch):
    def refuse(*_, **__):
        raise ValueError("masked_lm does not fit a decoder")

    monkeypatch.setattr(pipeline, "Rows", refuse)
    with pytest.raises(Refusal, match="^masked_lm does not fit a decoder$") as caught:
        program(number=1).rows(None, "train")
    assert (caught.value.about, caught.value.stage) == ("Stage.mixture", 1)


def changed(surgery: Surgery, start: Transformer | None = None, number: int = 1) -> Program:
    """A stage that has another model than the one before."""
    stages = [
        corpus.stage("prefix_lm", steps=5, surgery=surgery if start else None),
        corpus.stage("prefix_lm", steps=3, architecture="encoder_decoder", surgery=surgery),
    ]
    run = corpus.run("unread", "prefix_decoder", stages, start="there" if start else None)
    return Program(run, number, Mesh(1, 1).build(jax.devices()[:1]), start)


def test_a_stage_has_its_own_model_and_knows_the_one_before():
    one = changed(Surgery(frozen=1))
    one.check()
    assert one.before.architecture.name == "prefix_decoder"
    assert one.architecture.name == "encoder_decoder" and one.batch.encoder is not None
    assert sum(one.outcome.totals[:2]) == one.parameters
    before = changed(Surgery(), number=0)
    assert before.before is None and before.origins == () and before.outcome is None


def test_what_a_run_starts_from_is_checked_before_anything_is_compiled():
    size = dataclasses.replace(corpus.SIZE, layers=1)
    start = Transformer(size, Architecture("causal_decoder"))
    one = changed(Surgery(), start, number=0)
    one.check()
    assert {origin.layers for origin in one.origins} == {(0, 0), ()}
    wide = Transformer(dataclasses.replace(size, mlp=64), start.architecture)
    with pytest.raises(Refusal, match="^there: Size.mlp=48, .* made for 64") as caught:
        changed(Surgery(), wide, number=0).check()
    assert (caught.value.about, caught.value.stage) == ("Size.mlp", 0)


@pytest.mark.parametrize("moments", [None, "keep", "reset"])
def test_moments_are_kept_between_stages_and_not_from_another_run_unless_it_is_said(moments):
    stages = [corpus.stage("prefix_lm", steps=3, moments=moments)] * 2
    run = corpus.run("unread", "prefix_decoder", stages)
    kept = [Program(run, number, WIDE.abstract()).keeps_moments for number in (0, 1)]
    assert kept == [moments == "keep", moments != "reset"]


def test_where_nothing_old_moves_something_is_new():
    start = Transformer(corpus.SIZE, Architecture("encoder_decoder"))
    one = changed(Surgery(frozen=2), start, number=0)
    with pytest.raises(Refusal, match="frozen=2, and no weight is new: nothing would") as caught:
        one.check()
    assert (caught.value.about, caught.value.stage) == ("Surgery.frozen", 0)
