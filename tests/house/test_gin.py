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
SUITES = sorted((HOME / "gin" / "suite").glob("*.gin"))  # which are whole by themselves
PLACES = sorted(
    (HOME / "gin" / "place").glob("*.gin")
)  # and so are these, but for what is one's own
WORDS = [path for path in sorted((HOME / "gin").rglob("*.gin")) if path not in [*SUITES, *PLACES]]
NAMES = [path.stem for path in SENTENCES]
FOLDERS = {folder.name: sorted(folder.glob("*.gin")) for folder in (HOME / "gin").iterdir()}
del FOLDERS["suite"], FOLDERS["place"]
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
    models = [read.run.model(stage) for stage in read.run.stages]
    counts = [sum(parameters(one.size, one.architecture).values()) for one in models]
    lines = [f"# parameters: {' → '.join(f'{count:,}' for count in dict.fromkeys(counts))}"]
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


@pytest.mark.parametrize("path", SUITES, ids=lambda path: path.stem)
def test_a_suite_is_short_and_whole(path):
    text = path.read_text()
    assert text.startswith("# ") and len(text.splitlines()) <= 30 and "include" not in text
    suite = config.suite(path.stem)
    assert suite.measures and not suite.data
    assert not any("seed" in key or "source" in key or "folder" in key for key in keys(path))


@pytest.mark.parametrize("path", PLACES, ids=lambda path: path.stem)
def test_a_place_is_short_and_names_nobody(path):
    text = path.read_text()
    assert text.startswith("# ") and len(text.splitlines()) <= 15 and "include" not in text
    own = ("zone", "project", "image", "share", "claim", "cluster", "account", "secrets", "hosts")
    assert keys(path)[0] == "Launch.on"
    assert not any(key.split(".")[1] in own for key in keys(path))


def test_every_word_is_used():
    used = {name for path in SENTENCES for name in INCLUDE.findall(path.read_text())}
    words = {str(path.relative_to(HOME)) for path in WORDS}
    # Pods, and models that others published, are for whoever has one.
    free = {name for name in words if name.split("/")[1] in ("mesh", "architecture", "size")}
    assert used <= words and words - used <= free


def test_words_of_different_folders_bind_different_keys():
    bound = {
        folder: {key for path in paths for key in keys(path)} for folder, paths in FOLDERS.items()
    }
    for one, other in itertools.combinations(bound, 2):
        assert not bound[one] & bound[other], f"{one} and {other}"


def test_every_choice_of_words_composes(tmp_path):
    path = tmp_path / "mine.gin"
    many = ("mesh", "size", "optimizer")  # each is met by some of the others, and not by all
    others = [paths for name, paths in FOLDERS.items() if name not in many]
    some = zip(*(itertools.cycle(FOLDERS[name]) for name in many), strict=True)
    for rest, own in zip(itertools.product(*others), some, strict=False):
        choice = [*rest, *own]
        text = "".join(f"include '{word.relative_to(HOME)}'\n" for word in choice)
        keyed = {key.rpartition("/")[0] for word in choice for key in keys(word)} - {""}
        scopes = [f"{scope}/" for scope in sorted(keyed)] or [""]
        text += f"Run.stages = [{', '.join(f'@{scope}Stage()' for scope in scopes)}]\n"
        for scope in scopes:
            text += f"{scope}Stage.mixture = 'python_stdlib_prefix_lm'\n"
            text += f"{scope}Stage.tokens = '100B'\n"
        path.write_text(text)
        # An experiment whose positions are learnt says how many there are.
        assert config.read(path, ["Size.positions=2048"]).run.size.layers >= 1


PUBLISHED = [
    # As Hugging Face counts those of their files: google/t5-v1_1-…, openai-community/gpt2-xl,
    # meta-llama/Llama-3.2-1B and Meta-Llama-3-8B.
    ("t5_small", "t5_v1_1", {}, 76_961_152),
    ("t5_base", "t5_v1_1", {}, 247_577_856),
    ("t5_large", "t5_v1_1", {}, 783_150_080),
    ("t5_xl", "t5_v1_1", {}, 2_849_757_184),
    ("t5_xxl", "t5_v1_1", {}, 11_135_332_352),
    ("gpt2_xl", "gpt2", {}, 1_557_611_200),
    ("llama_1b", "llama", {"tied": True}, 1_235_814_400),
    ("llama_8b", "llama", {}, 8_030_261_248),
    # BertForMaskedLM, less the vectors of its two kinds of texts, of which archlab has one.
    ("bert_base", "bert", {}, 109_514_298 - 2 * 768),
    ("bert_large", "bert", {}, 335_174_458 - 2 * 1024),
]


@pytest.mark.parametrize("size, architecture, words, count", PUBLISHED)
def test_published_sizes_have_the_published_parameters(size, architecture, words, count, tmp_path):
    path = tmp_path / "mine.gin"
    named = (f"architecture/{architecture}", f"size/{size}", "mesh/all", "stage/tiny")
    text = "".join(f"include 'gin/{name}.gin'\n" for name in named)
    path.write_text(text + "Run.stages = [@Stage()]\nStage.mixture = 'x'\nStage.tokens = '1B'\n")
    run = config.read(path, [f"Architecture.{name}={word!r}" for name, word in words.items()]).run
    found = sum(parameters(run.size, run.architecture).values())
    assert found == count
