"""Every experiment reads, says each thing once, and equals its golden; every word composes.

A golden is what an experiment comes to: parameters, steps, and every setting with its default, so
that a changed default shows in review. `make golden` (ARCHLAB_GOLDEN=1) writes them anew.
"""

import itertools
import os
import re
from pathlib import Path

import pytest

from archlab import config, experiments
from archlab.model.transformer import parameters

HOME = experiments.home()
GOLDEN = Path(__file__).parent.parent / "golden"
SENTENCES = sorted((HOME / "experiments").glob("*.gin"))
WORDS = sorted((HOME / "gin").rglob("*.gin"))
NAMES = [path.stem for path in SENTENCES]
FOLDERS = {folder.name: sorted(folder.glob("*.gin")) for folder in (HOME / "gin").iterdir()}
KEY = re.compile(r"^(\S+\.\w+) *= *(.*)$", re.MULTILINE)
INCLUDE = re.compile(r"^include '(.*)'$", re.MULTILINE)


def keys(path):
    """Every key that a file and its includes bind, by its own reading of the text."""
    text = path.read_text()
    included = [key for name in INCLUDE.findall(text) for key in keys(HOME / name)]
    return included + [match.group(1) for match in KEY.finditer(text)]


def summary(name):
    """What an experiment comes to, as its golden keeps it."""
    read = config.read(name)
    count = sum(parameters(read.run.size, read.run.architecture).values())
    lines = [f"# parameters: {count:,}"]
    lines += [
        f"# stage {stage.name}: {stage.total_steps:,} steps, {stage.total_tokens:,} tokens"
        for stage in read.run.stages
    ]
    return "\n".join([*lines, "", read.operative])


@pytest.mark.parametrize("name", NAMES)
def test_an_experiment_equals_its_golden(name):
    path = GOLDEN / f"{name}.gin"
    if os.environ.get("ARCHLAB_GOLDEN"):
        path.write_text(summary(name))
    assert path.exists(), f"no golden for {name}; `make golden` writes it"
    assert summary(name) == path.read_text(), "read the diff of `make golden`"


def test_no_golden_is_left_of_what_is_gone():
    assert sorted(path.stem for path in GOLDEN.glob("*.gin")) == sorted(NAMES)


@pytest.mark.parametrize("path", SENTENCES, ids=NAMES)
def test_no_key_twice_in_the_include_closure(path):
    bound = keys(path)
    assert sorted(bound) == sorted(set(bound))
    assert sorted(bound) == sorted(config.read(path).whole.read)


@pytest.mark.parametrize("path", SENTENCES, ids=NAMES)
def test_a_sentence_is_short_and_says_what_to_expect(path):
    lines = path.read_text().splitlines()
    header = " ".join(itertools.takewhile(lambda line: line.startswith("#"), lines))
    assert len(lines) <= 30
    for word in ("Claim", "Expect", "Takes"):
        assert f"{word}:" in header, f"{path.name} does not say {word}:"


@pytest.mark.parametrize("path", WORDS, ids=lambda path: path.stem)
def test_a_word_is_short_and_has_no_path_seed_or_result(path):
    text = path.read_text()
    assert text.startswith("# ") and len(text.splitlines()) <= 15
    assert "include" not in text
    for key, value in KEY.findall(text):
        assert key.split(".")[1] not in ("mixture", "tokens", "steps", "seed", "folder", "expect")
        assert value.startswith("@") or "/" not in value


def test_every_word_is_used():
    used = {name for path in SENTENCES for name in INCLUDE.findall(path.read_text())}
    words = {str(path.relative_to(HOME)) for path in WORDS}
    pods = {name for name in words if name.startswith("gin/mesh/")}  # whoever has one says which
    assert used <= words and words - used <= pods


def test_words_of_different_folders_bind_different_keys():
    bound = {
        folder: {key for path in paths for key in keys(path)} for folder, paths in FOLDERS.items()
    }
    for one, other in itertools.combinations(bound, 2):
        assert not bound[one] & bound[other], f"{one} and {other}"


def test_every_choice_of_words_composes(tmp_path):
    path, meshes = tmp_path / "mine.gin", itertools.cycle(FOLDERS["mesh"])
    others = [paths for name, paths in FOLDERS.items() if name != "mesh"]
    for rest, mesh in zip(itertools.product(*others), meshes, strict=False):
        choice = [*rest, mesh]
        text = "".join(f"include '{word.relative_to(HOME)}'\n" for word in choice)
        scope = next(
            (key.split("/")[0] + "/" for word in choice for key in keys(word) if "/" in key), ""
        )
        text += f"Run.stages = [@{scope}Stage()]\n"
        text += f"{scope}Stage.mixture = 'python_stdlib_prefix_lm'\n{scope}Stage.tokens = '1B'\n"
        path.write_text(text)
        assert config.read(path).run.size.layers >= 1


def test_t5_xxl_has_the_published_parameters_and_exact_budgets():
    read = config.read("t5_xxl_then_lm")
    assert sum(parameters(read.run.size, read.run.architecture).values()) == 11_135_332_352
    first, second = read.run.stages
    for stage, budget in ((first, 10**12), (second, 10**11)):
        step = stage.rows * (stage.inputs + stage.targets)
        assert (stage.total_steps - 1) * step < budget <= stage.total_steps * step
