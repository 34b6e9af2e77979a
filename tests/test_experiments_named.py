"""The systems people know: counted as published, planned without text, each with a true twin."""

import dataclasses
import math
import re

import pytest

from archlab import config, experiments, record
from archlab import run as runs
from archlab.data.options import Data
from archlab.data.recipes import Recipe, prepare
from archlab.model.transformer import parameters
from archlab.plan import Plan
from archlab.settings import Run
from tests import shared

TWIN = "_tiny"
TWINS = sorted(path.stem for path in (experiments.home() / "experiments").glob(f"*{TWIN}.gin"))
NAMED = {  # with what those who published them say that they have
    "bert_base": 109_514_298 - 2 * 768,  # BertForMaskedLM, less the vectors of its kinds of texts
    "gpt2_xl": 1_557_611_200,  # openai-community/gpt2-xl
    "t5_1_1_xxl": 11_135_332_352,  # google/t5-v1_1-xxl
    "flan_t5_xxl": 11_135_332_352,  # google/flan-t5-xxl
    "ul2_20b": "20",  # billions: Tay et al. 2022 (UL2), section 5.1
    "palm_8b": "8.63",  # Chowdhery et al. 2022, table 1
    "palm_62b": "62.50",
    "u_palm_62b": "62.50",
    "code_fim_1b": 1_124_886_528,  # bigcode/santacoder
}
WITHIN = {"t5_1_1_xxl": 1, "palm_8b": 2, "palm_62b": 2}  # as many stages of longer ones
# What makes a twin tiny, and nothing else. Of a mixture the text may be another.
FREE = [
    r"size\.\w+",
    r"mesh\.\w+",
    r"precision|evaluate_every|evaluate_rows|data\.code_languages",
    r"stages\.\d\.(source|tokens|steps|rows|inputs|targets|schedule\.(warmup|decay))",
]


def flat(run: Run) -> dict[str, object]:
    """Every setting by its path; of a mixture, text and objective apart."""
    found = {}

    def walk(tree, path: str):
        if isinstance(tree, dict | list | tuple):
            each = tree.items() if isinstance(tree, dict) else enumerate(tree)
            for name, leaf in each:
                walk(leaf, f"{path}.{name}" if path else str(name))
        elif re.fullmatch(r"stages\.\d\.(mixture|name)", path):
            source, objective = re.fullmatch(r"(python_stdlib|[a-z0-9]+)_(\w+)", tree).groups()
            found[path], found[f"{path.rpartition('.')[0]}.source"] = objective, source
        else:
            found[path] = tree

    walk(dataclasses.asdict(run), "")
    return found


def apart(one: Run, other: Run) -> set[str]:
    """Settings in which two runs differ that nothing frees."""
    first, second = flat(one), flat(other)
    differ = {path for path in first | second if first.get(path) != second.get(path)}
    return {path for path in differ if not any(re.fullmatch(free, path) for free in FREE)}


def switches(run: Run) -> list[object]:
    """What a size says besides how large something is."""
    size = run.size
    return [
        *(size.kv_heads == size.heads, size.kv_heads == 1, size.choices),
        *(bool(getattr(size, name)) for name in ("encoder_layers", "positions", "experts")),
        *(bool(getattr(size, name)) for name in ("base_embed", "base_kv")),
    ]


def test_every_named_system_has_a_twin():
    assert [name + TWIN for name in sorted(NAMED)] == TWINS


@pytest.mark.parametrize("name", NAMED)
def test_a_twin_differs_in_nothing_but_what_makes_it_tiny(name):
    large, tiny = config.read(name).run, config.read(name + TWIN).run
    assert apart(large, tiny) == set()
    assert switches(large) == switches(tiny)
    assert sum(parameters(tiny.size, tiny.architecture).values()) < 30_000


def test_a_twin_that_differs_in_more_is_found():
    large = config.read("u_palm_62b").run
    for override, path in {
        "Optimizer.momentum=0.8": "optimizer.momentum",
        "Architecture.parallel=False": "architecture.parallel",
        "ul2r/Stage.architecture=None": "stages.2.architecture",
        "ul2r/Stage.mixture='python_stdlib_ul2'": "stages.2.mixture",
        "many/Schedule.before=1": "stages.1.schedule.before",
        "Run.z_loss=0.0": "z_loss",
    }.items():
        assert path in apart(large, config.read("u_palm_62b_tiny", [override]).run)
    other = config.read("u_palm_62b_tiny", ["Size.kv_heads=2"]).run
    assert switches(large) != switches(other)


@pytest.mark.parametrize("name", NAMED)
def test_it_has_the_published_parameters_and_is_planned_without_text(name):
    run, wanted = config.read(name).run, NAMED[name]
    found = sum(parameters(run.size, run.architecture).values())
    if isinstance(wanted, int):
        assert found == wanted
    else:
        assert f"{found / 1e9:.{len(wanted.partition('.')[2])}f}" == wanted
    made = Plan(run, "v5p")
    assert [cost.steps for cost in made.costs] == [stage.total_steps for stage in run.stages]
    for cost in made.costs:  # six FLOPs a token and weight that it meets, and attention on top
        assert 1 < cost.flops / (6 * cost.visited * cost.tokens) < 1.4


def test_flan_t5_has_the_budgets_of_its_stages_to_the_step():
    span, lm, flan = config.read("flan_t5_xxl").run.stages
    for stage, budget in ((span, 10**12), (lm, 10**11)):
        step = stage.rows * (stage.inputs + stage.targets)
        assert (stage.total_steps - 1) * step < budget <= stage.total_steps * step
    assert flan.total_steps == 14_000


def test_palm_sees_780_billion_tokens_and_ul2r_a_thousandth_of_the_compute():
    for name in ("palm_8b", "palm_62b"):
        seen = sum(stage.total_tokens for stage in config.read(name).run.stages)
        assert f"{seen / 1e9:.0f}" == "780"
    *before, after = (cost.flops for cost in Plan(config.read("u_palm_62b").run, "v5p").costs)
    assert 0.001 < after / sum(before) < 0.002


def begins(one: Run, other: Run) -> bool:
    """Whether a run is the first stages of another, all else being the same."""
    return dataclasses.replace(other, stages=other.stages[: len(one.stages)]) == one


def alone() -> list[str]:
    """Twins that no other goes through on its way: those that have to be trained."""
    every, left = {name: config.read(name).run for name in TWINS}, []
    for name in sorted(TWINS, key=lambda name: -len(every[name].stages)):
        if not any(begins(every[name], every[longer]) for longer in left):
            left.append(name)
    return left


def test_t5_and_palm_are_what_flan_and_u_palm_begin_with():
    assert {*TWINS} - {*alone()} == {f"{name}{TWIN}" for name in WITHIN}
    for large, stages in WITHIN.items():
        assert len(config.read(large).run.stages) == stages


@pytest.fixture(scope="module")
def encoded():
    """The text of every twin, encoded at once."""
    mixtures = {stage.mixture for name in TWINS for stage in config.read(name).run.stages}
    return prepare(sorted(mixtures), Data()).wait()


@pytest.mark.parametrize("name", alone())
def test_a_twin_trains_through_all_its_stages(name, encoded, tmp_path, monkeypatch):
    # On one device and without validation, which others test: compiling is what takes long.
    monkeypatch.setattr(Recipe, "has", lambda recipe, split: split == "train")
    run = dataclasses.replace(config.read(name).run, record_every=1)
    assert {stage.mixture for stage in run.stages} <= {*encoded}
    with shared.one_device():
        runs.train(run, tmp_path / "run", name)
    lines = record.read(tmp_path / "run" / "metrics.jsonl")
    learnt = [line for line in lines if line["kind"] == "train"]
    steps = [(n, step) for n, stage in enumerate(run.stages) for step in range(1, stage.steps + 1)]
    assert [(line["stage"], line["step"]) for line in learnt] == steps
    chance = math.log(run.size.vocab)
    assert all(chance - 1 < line["loss"] < chance + 1 for line in learnt)
