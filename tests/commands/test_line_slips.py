"""Slips planted where people type: each is one line that names its place and what was meant.

Some are the kind that people make, and are written out; the others follow from a rule, a letter
left out, doubled, replaced or put before its neighbour, so that they are nobody's choice.
"""

import contextlib
import io
import json
import random
import re
import string
from pathlib import Path

import pytest

from archlab import commands, config, experiments, faults
from archlab.data import build, recipes

WHOLE = """\
include 'gin/size/tiny.gin'
include 'gin/stage/tiny.gin'
include 'gin/optimizer/adafactor.gin'
include 'gin/mesh/all.gin'
include 'more.gin'
Run.architecture = @Architecture()
Architecture.name = 'encoder_decoder'
Architecture.position = 'relative'
Architecture.activation = 'geglu_exact'
Architecture.norm_place = 'both'
Run.stages = [@span/Stage(), @lm/Stage()]
span/Stage.mixture = 'python_stdlib_span_corruption'
span/Stage.tokens = '3M'
span/Stage.schedule = @span/Schedule()
span/Schedule.peak = 0.003
lm/Stage.mixture = 'python_stdlib_prefix_lm'
lm/Stage.tokens = '1M'
lm/Stage.unit = 'loss_tokens'
lm/Stage.moments = 'reset'
Run.attention = 'chunked'
Run.remat = 'minimal'
Run.precision = 'bfloat16'
Run.data = @Data()
"""
MORE = """\
# Of its own.
span/Schedule.kind = 'rsqrt'
Run.evaluate_every = 50
"""
# What stands in those two files, and what people make of it.
WRITTEN = [
    ("gin/size/tiny.gin", "gin/sizes/tiny.gin"),
    ("gin/stage/tiny.gin", "gin/stage/tiny"),
    ("gin/optimizer/adafactor.gin", "gin/optimiser/adafactor.gin"),
    ("gin/mesh/all.gin", "mesh/all.gin"),
    ("more.gin", "moer.gin"),
    ("Architecture", "Arch"),
    ("name", "nam"),
    ("encoder_decoder", "EncoderDecoder"),
    ("relative", "realtive"),
    ("geglu_exact", "gegluexact"),
    ("norm_place", "norm-place"),
    ("both", "bot"),
    ("Stage", "Satge"),
    ("span", "spam"),
    ("python_stdlib_span_corruption", "python_stdlib_span_corrupt"),
    ("tokens", "token"),
    ("schedule", "schedual"),
    ("peak", "peek"),
    ("python_stdlib_prefix_lm", "python_prefix_lm"),
    ("unit", "units"),
    ("loss_tokens", "losstokens"),
    ("moments", "moment"),
    ("reset", "rest"),
    ("attention", "atention"),
    ("chunked", "chunk"),
    ("remat", "rematerialise"),
    ("minimal", "minmal"),
    ("bfloat16", "bf16"),
    ("Schedule", "Scheduler"),
    ("rsqrt", "rsqr"),
    ("evaluate_every", "eval_every"),
]
# Command lines, what is right there, and what people type.
TYPED = [
    ("{} quickstart", "train", "trian"),
    ("{} runs/quickstart", "report", "reprot"),
    ("{} quickstart", "config", "conf"),
    ("{} python_stdlib_prefix_lm", "show", "shwo"),
    ("vocabulary {} python_stdlib", "train", "tarin"),
    ("train {}", "quickstart", "quick-start"),
    ("train {}", "flan_t5_xxl", "flan_t5_xl"),
    ("config experiments/{}.gin", "smoke_encoder", "smoke_encodr"),
    ("train quickstart {} runs/a", "--out", "--output"),
    ("train quickstart {} 20", "--resume-from", "--resume_from"),
    ("generate runs/quickstart {} 0.5", "--temperature", "--temp"),
    ("generate runs/quickstart {} 5", "--top-k", "--topk"),
    ("config quickstart {} Size.layers=2", "--set", "--sett"),
    ("config quickstart --set {}=2", "Size.layers", "layres"),
    ("config quickstart --set Size.{}=2", "layers", "layer"),
    ("config quickstart --set {}.layers=2", "Size", "Szie"),
    ("config quickstart --set {}.tokens=2M", "span/Stage", "spam/Stage"),
    ("config quickstart --set Architecture.name={}", "causal_decoder", "casual_decoder"),
    ("config quickstart --set Schedule.kind={}", "cosine", "cosin"),
    ("config quickstart --set Optimizer.name={}", "adafactor", "adafator"),
    ("check mine.gin --set Data.road={}", "streaming", "stream"),
    ("check mine.gin --set Run.start=runs/{}", "quickstart", "quikstart"),
    (
        "check mine.gin --set Data.vocabulary={}",
        "words.model",
        "word.model",
    ),
    ("launch quickstart --dry-run --on {}", "v5e_256", "v5e-256"),
    ("evaluate runs/quickstart --suite {}", "standard", "standrad"),
    ("compile quickstart --topology {}:4x4", "v5e", "v5ee"),
    ("compile quickstart --topology v5p:{}", "4x8x8", "4x88"),
    ("plan quickstart --chip {}", "v5p", "5vp"),
    ("show {}", "python_stdlib_ul2", "python_stdlb_ul2"),
    ("show python_stdlib_ul2 --architecture {}", "prefix_decoder", "prefixdecoder"),
    ("show {} --module my_tasks", "mine_prefix_lm", "mine_prefixlm"),
    ("show mine_prefix_lm --module {}", "my_tasks", "my_task"),
    ("show mine_prefix_lm --module {}", "my_tasks.py", "mytasks.py"),
    ("cache {} --out encoded", "python_stdlib_masked_lm", "python_stdlib_mlm"),
    ("generate {} --prompt a", "runs/quickstart", "run/quickstart"),
    ("report runs/{}", "quickstart", "quickstrat"),
    ("generate runs/quickstart --prompts {}", "many.jsonl", "many.json"),
    ("generate runs/quickstart --prompt a --order {}", "confident", "confidence"),
    ("finetune runs/quickstart --train {} --test dev.tsv --out o", "train.tsv", "trian.tsv"),
    ("likeness runs/quickstart --pooling {}", "mean", "men"),
    ("vocabulary train {} --out new.model", "python_stdlib", "python-stdlib"),
    ("vocabulary train python_stdlib --out new.model --kind {}", "unigram", "uni"),
    ("import {} --out runs/b", "model", "modle"),
]
RULES = (  # what becomes of a word at a letter
    lambda word, at, letter: word[:at] + word[at + 1 :],
    lambda word, at, letter: word[: at + 1] + word[at:],
    lambda word, at, letter: word[:at] + letter + word[at + 1 :],
    lambda word, at, letter: word[:at] + word[at : at + 2][::-1] + word[at + 2 :],
)
# What gets no right suggestion: a hyphen ends a name in gin, so there is none to look up.
MISSED = {"norm_place → norm-place"}


class Inside:
    """The process that encodes text, in this one: starting it takes seconds, and it is asked often.

    Args:
      command: its last word is the file of the request.
      pipes: to it and from it.
    """

    def __init__(self, command, **pipes):
        self.status, self.stdout = 0, []
        try:
            build.build(json.loads(Path(command[-1]).read_text()))
        except ValueError as error:
            said = " ".join(str(error).split())
            self.status, self.stdout = 2, [f"{said}\t{getattr(error, 'about', '')}\n"]

    def wait(self):
        return self.status

    poll = wait

    def communicate(self):
        return "", ""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A directory with what a user has, and nothing that takes long."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(recipes.subprocess, "Popen", Inside)
    # It traces the model for seconds, and tells nothing of a word.
    monkeypatch.setattr(faults, "_mesh", lambda run, chips: [])
    for name in ("runs/quickstart", "texts", "model"):
        Path(name).mkdir(parents=True)
    for name in ("many.jsonl", "train.tsv", "dev.tsv", "words.model"):
        Path(name).write_text("{}\n")
    Path("my_tasks.py").write_text(
        "import seqio\n"
        "from archlab.data import tasks\n"
        'tasks.register("mine", seqio.TextLineDataSource({"train": "texts/a.txt"}))\n'
    )
    return tmp_path


def slip(word: str, chance: random.Random) -> str:
    """A word with one slip, as a rule draws it; what is no letter stays."""
    while True:
        at = chance.choice([place for place, one in enumerate(word) if one.isalpha()])
        wrong = chance.choice(RULES)(word, at, chance.choice(string.ascii_lowercase))
        if wrong != word and wrong not in KNOWN:
            return wrong


KNOWN = {"gelu", "geglu", "top-p", "v5e", "v6e", "span"}  # words that a slip may lead to


def planted() -> list[tuple[str, str, str]]:
    """All of them: a command line or "" for the file, what is right, and what stands there."""
    chance = random.Random(0)
    drawn = [("", right, slip(right, chance)) for right, _ in WRITTEN]
    drawn += [(line, right, slip(right, chance)) for line, right, _ in TYPED]
    return [*(("", right, wrong) for right, wrong in WRITTEN), *TYPED, *drawn]


def said(arguments: list[str]) -> tuple[int, list[str]]:
    """What a command ends with, and what it says, without what it finds to be right."""
    with contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO())) as out:
        with contextlib.redirect_stderr(io.TextIOWrapper(io.BytesIO())) as err:
            status = commands.main(arguments)
    texts = []
    for stream in (out, err):
        stream.seek(0)
        texts += stream.read().splitlines()
    return status, [line for line in texts if "WRONG" in line or "error" in line]


def test_slips_are_told_with_their_place_and_with_what_was_meant(here):
    config.read("quickstart")
    missed, faults = {}, planted()
    for command, right, wrong in faults:
        name = f"{command.format(wrong) if command else f'{right} → {wrong}'}"
        where = ""
        texts = {"mine.gin": WHOLE, "more.gin": MORE}
        arguments = command.format(wrong).split() or ["check", "mine.gin"]
        if not command:
            file = next(one for one, text in texts.items() if right in text)
            before, _, after = texts[file].partition(right)
            texts[file] = before + wrong + after
            where = f"{file}:{before.count(chr(10)) + 1}: "
        for one, text in texts.items():
            (here / one).write_text(text)
        status, lines = said(arguments)
        assert status == 2 and len(lines) == 1, (name, status, lines)
        assert len(lines[0]) < 800 and where in lines[0], (name, lines)
        meant = re.search(r"did you mean '?([^']*)'?\?", lines[0])
        if not meant or not (right in meant.group(1) or right.endswith(f".{meant.group(1)}")):
            missed[name] = lines[0]
    assert len(faults) >= 100
    assert set(missed) == MISSED, missed
    assert len(MISSED) <= len(faults) * 5 // 100


def test_the_file_without_slips_is_right(here):
    (here / "mine.gin").write_text(WHOLE)
    (here / "more.gin").write_text(MORE)
    assert config.read("mine.gin").run.architecture.name == "encoder_decoder"
    assert experiments.find("mine.gin").is_file()
