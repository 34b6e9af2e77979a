"""Experiments: what is read, and what is refused, with its line and a suggestion."""

import gin
import pytest

from archlab import config
from archlab.bindings import ConfigError
from archlab.data.recipes import Data
from archlab.refusal import Refusal

WHOLE = """\
include 'gin/architecture/prefix_decoder.gin'
include 'gin/size/tiny.gin'
include 'gin/stage/tiny.gin'
include 'gin/optimizer/adamw.gin'
include 'gin/mesh/all.gin'
Run.stages = [@span/Stage(), @lm/Stage()]
span/Stage.mixture = "python_stdlib_span_corruption"
span/Stage.tokens = "3M"
lm/Stage.mixture = "python_stdlib_prefix_lm"
lm/Stage.tokens = "1M"
Run.data = @Data()
"""
NEXT = WHOLE.count("\n") + 1  # the line after it


@pytest.fixture
def write(tmp_path):
    def write(text, name="mine.gin"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return write


def refusal(path, overrides=()):
    with pytest.raises(ConfigError) as caught:
        config.read(path, list(overrides))
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_reads_scopes_words_and_defaults(write):
    read = config.read(write(WHOLE))
    first, second = read.run.stages
    assert read.name == "mine"
    assert (first.mixture, first.tokens, first.rows) == ("python_stdlib_span_corruption", "3M", 8)
    assert (second.mixture, second.tokens, second.inputs) == ("python_stdlib_prefix_lm", "1M", 96)
    assert first.schedule.kind == second.schedule.kind == "wsd"
    assert read.run.architecture.name == "prefix_decoder"
    assert read.run.z_loss == 1e-4


SURGERY = """\
lm/Stage.architecture = "encoder_decoder"
lm/Stage.size = @Size()
lm/Size.layers = 5
lm/Stage.surgery = @Surgery()
Surgery.cross = "fresh"
"""


def test_a_stage_has_a_size_and_a_surgery_of_its_own(write):
    run = config.read(write(WHOLE + SURGERY)).run
    assert [run.size_in(stage).layers for stage in run.stages] == [2, 5]
    assert run.stages[1].size.embed == run.size.embed and run.stages[0].size is None
    assert run.stages[1].surgery.cross == "fresh"
    assert f":{NEXT}: stage python_stdlib_prefix_lm: architecture='encoder_decoder' has" in refusal(
        write(WHOLE + SURGERY.partition("lm/Stage.size")[0])
    )
    wide = write(WHOLE + SURGERY + "lm/Size.mlp = 64\n")
    assert f":{NEXT + 5}: stage python_stdlib_prefix_lm: Size.mlp=64, and the w" in refusal(wide)


def test_a_scope_reaches_what_its_thing_refers_to(write):
    read = config.read(write(WHOLE + "lm/Schedule.floor = 0.5\n"))
    assert [stage.schedule.floor for stage in read.run.stages] == [0.0, 0.5]


def test_its_own_text_reads_back_as_the_same(write):
    first = config.read(write(WHOLE), ["Data.folder=./my texts", "span/Stage.tokens=2M"])
    second = config.read(write(first.gin_text, "run/config.gin"))
    assert second.run == first.run
    assert second.name == first.name
    assert second.operative == first.operative


@pytest.mark.parametrize("name", ["quickstart", "flan_t5_xxl", "smoke_encoder_decoder"])
def test_gin_itself_builds_the_same(name):
    read = config.read(name, ["Run.seed=5"])
    gin.clear_config()
    gin.parse_config(read.gin_text)
    assert gin.get_configurable("Run")() == read.run
    gin.clear_config()


@pytest.mark.parametrize(
    "first, name",
    [
        ("# experiment: quick-start_2.1", "quick-start_2.1"),
        ("# experiment: ../up", "mine"),
        ("# experiment: /tmp/elsewhere", "mine"),
        ("# experiment: ..", "mine"),
        ("# experiment: .", "mine"),
        ("# experiment: a b", "mine"),
        ("# experiment: a\\b", "mine"),
        ("# something else", "mine"),
    ],
)
def test_a_file_does_not_choose_where_its_run_is_written(write, first, name):
    assert config.read(write(f"{first}\n{WHOLE}")).name == name


def test_a_file_named_by_full_stops_alone_has_a_name(write):
    assert config.read(write(WHOLE, "...gin")).name == "experiment"


def test_a_run_keeps_which_settings_the_command_line_said(write):
    text = config.read(write(WHOLE), ["Run.seed=5", "Data.folder=./mine"]).gin_text
    assert text.endswith(
        "\n# --set Run.seed=5\nRun.seed = 5\n\n# --set Data.folder=./mine\nData.folder = './mine'\n"
    )


def test_what_an_override_replaces_takes_with_it_what_only_that_read(write):
    read = config.read(write(WHOLE), ["Run.stages=[@lm/Stage()]"])
    assert not {"span/Stage.mixture", "span/Stage.tokens"} & read.whole.read
    assert "span/" not in read.gin_text and "lm/Stage.tokens" in read.gin_text
    path = write(WHOLE + "ln/Stage.rows = 4\n")  # which nothing read before either
    assert refusal(path, ["Run.stages=mine"]).startswith(f"{path}:{NEXT}: ln/Stage.rows has no")


def test_the_text_alone_is_read_from_overrides():
    assert config.data([]) == Data()
    assert config.data(["Data.folder=./texts", "Data.tfds=there"]) == Data("./texts", tfds="there")
    for wrong, said in [
        ("Data.foldr=x", "did you mean 'folder'?"),
        ("Size.layers=3", "only Data.… has, here"),
        ("a/Data.folder=x", "only Data.… has, here"),
    ]:
        with pytest.raises(ConfigError, match=f"^--set {wrong}: ") as caught:
            config.data([wrong])
        assert said in str(caught.value)


def test_blocks_are_bindings_too(write):
    text = WHOLE.replace("include 'gin/size/tiny.gin'\n", "Run.size = @Size()\n")
    block = "Size:\n  layers = 3\n  embed = 8\n  mlp = 16\n  heads = 2\n  kv = 4\n  vocab = 384\n"
    assert config.read(write(text + block)).run.size.layers == 3
    path = write(text + block.replace("heads", "haeds"))
    assert refusal(path) == f"{path}:{NEXT + 4}: Size has no 'haeds', did you mean 'heads'?"


@pytest.mark.parametrize(
    "override, get, value",
    [
        ("Size.layers=6", lambda run: run.size.layers, 6),
        ("Architecture.name=causal_decoder", lambda run: run.architecture.name, "causal_decoder"),
        ("Data.folder=./texts", lambda run: run.data.folder, "./texts"),
        ("Data.folder=/a/b c", lambda run: run.data.folder, "/a/b c"),
        ("Data.folder=2024", lambda run: run.data.folder, "2024"),
        ("Data.folder=None", lambda run: run.data.folder, None),
        ("span/Stage.tokens=3K", lambda run: run.stages[0].tokens, "3K"),
        ('span/Stage.tokens="3K"', lambda run: run.stages[0].tokens, "3K"),
        ("span/Stage.tokens=3000", lambda run: run.stages[0].tokens, 3000),
        ("Run.expect=[1.5, 2]", lambda run: run.expect, (1.5, 2)),
        ("Run.stages=[@lm/Stage()]", lambda run: len(run.stages), 1),
        ("Run.stages=mine", lambda run: run.stages, "mine"),
        ("Schedule.peak = 0.5", lambda run: run.stages[1].schedule.peak, 0.5),
        ("Schedule.peak=1e-4", lambda run: run.stages[1].schedule.peak, 1e-4),
        ("Run.tensorboard=True", lambda run: run.tensorboard, True),
    ],
)
def test_an_override_takes_the_place_of_the_binding(write, override, get, value):
    read = config.read(write(WHOLE), [override])
    assert get(read.run) == value
    assert get(config.read(write(read.gin_text, "again.gin")).run) == value


# Each: a line of the experiment, what replaces it, and what is said after the file and the line.
FAULTS = [
    ("Sise.layers = 6", "'Sise' cannot be configured, did you mean 'Size'?"),
    ("size.layers = 6", "'size' cannot be configured, did you mean 'Size'?"),
    ("Stagee.rows = 6", "'Stagee' cannot be configured, did you mean 'Stage'?"),
    ("Architectur.tied = False", "did you mean 'Architecture'?"),
    ("lm/Shedule.kind = 'flat'", "did you mean 'Schedule'?"),
    ("Run.sead = 6", "Run has no 'sead', did you mean 'seed'?"),
    ("Run.zloss = 0.1", "did you mean 'z_loss'?"),
    ("Run.evaluate_evry = 5", "did you mean 'evaluate_every'?"),
    ("Run.tensor_board = True", "did you mean 'tensorboard'?"),
    ("Run.precison = 'float32'", "did you mean 'precision'?"),
    ("Size.bucket = 8", "Size has no 'bucket', did you mean 'buckets'?"),
    ("Size.rows = 8", "Size has no 'rows', did you mean 'Stage.rows'?"),
    ("lm/Stage.acumulate = 2", "did you mean 'accumulate'?"),
    ("lm/Stage.peak = 0.1", "did you mean 'lm/Schedule.peak'?"),
    ("Architecture.activations = 'relu'", "did you mean 'activation'?"),
    ("Optimizer.beta = 0.9", "has no 'beta'; there are b1, b2, clip"),
    ("Optimizer.weigth_decay = 0.9", "did you mean 'weight_decay'?"),
    ("Mesh.modle = 2", "did you mean 'model'?"),
    ("Data.foldr = 'x'", "did you mean 'folder'?"),
    ("Run.seed = 'six'", "Run.seed='six'; it takes a whole number"),
    ("Run.seed = '6'", "Run.seed='6'; it takes a whole number, did you mean 6 without quotes?"),
    ("Run.seed = 1.5", "Run.seed=1.5; it takes a whole number"),
    ("Run.seed = True", "Run.seed=True; it takes a whole number"),
    ("Run.unroll = 'true'", "it takes True or False, did you mean True?"),
    ("Run.expect = [1.0]", "Run.expect=[1.0]; it takes [a number, a number] or None"),
    ("Run.expect = 1.0", "it takes [a number, a number] or None"),
    ("Run.precision = float32", "not gin", "did you mean 'float32'?"),
    ("Run.tensorboard = true", "not gin: true is a bare word, did you mean True?"),
    ("Run.expect = [1.0, none]", "not gin: none is a bare word, did you mean None?"),
    ("lm/Schedule.peak = 1e999", "lm/Schedule.peak=inf; it takes a number"),
    ("lm/Schedule.peak = -1e999", "lm/Schedule.peak=-inf; it takes a number"),
    ("lm/Schedule.peak = " + "9" * 400, "a whole number of 1329 bits; at most 64"),
    ("Run.precision = 'float23'", "Run.precision='float23'"),
    ("Architecture.position = 'ropes'", "did you mean 'rope'?"),
    ("Architecture.activation = 'swigl'", "did you mean 'swiglu'?"),
    ("lm/Stage.architecture = 'encoder'", "architecture='encoder' has other weights"),
    ("lm/Stage.architecture = 'causal_decodr'", "did you mean 'causal_decoder'?"),
    ("lm/Schedule.kind = 'cosin'", "did you mean 'cosine'?"),
    ("lm/Schedule.floor = 2.0", "floor=2.0"),
    ("lm/Stage.moments = 'kept'", "moments='kept'", "did you mean 'keep'?"),
    ("lm/Stage.accumulate = 3", "accumulate=3 does not divide rows=8"),
    ("Size.kv_heads = 3", "Size.kv_heads=3 does not divide"),
    ("Size.buckets = -1", "Size.buckets=-1"),
    ("Optimizer.epsilon = 0.0", "epsilon=0.0"),
    ("lm/Stage.schedule = @lm/Shedule()", "did you mean 'Schedule'?"),
    ("lm/Stage.schedule = @lm/Schedule", "did you mean '@lm/Schedule()'?"),
    ("lm/Stage.schedule = @Size()", "lm/Stage.schedule=@Size(); it takes @Schedule()"),
    ("lm/Stage.schedule = 'flat'", "lm/Stage.schedule='flat'; it takes @Schedule()"),
    ("ln/Stage.rows = 4", "ln/Stage.rows has no effect", "did you mean 'lm/Stage'?"),
    ("Stage.tokens = '3M'", "no effect: lm/Stage.tokens, span/Stage.tokens say otherwise"),
    ("lm/Stage.tokens = '3M'", "lm/Stage.tokens is bound already, in", "mine.gin:10"),
    ("Size.layers = 3", "Size.layers is bound already, in gin/size/tiny.gin:3"),
    ("a/lm/Stage.rows = 4", "scopes within scopes"),
    ("include 'gin/size/smal.gin'", "did you mean 'gin/size/small.gin'?"),
    ("include 'gin/sise/small.gin'", "did you mean 'gin/size/small.gin'?"),
    ("include 'mime.gin'", "did you mean 'mine.gin'?"),
    ("include gin/size/small.gin", "not gin"),
    ("Run.seed == 6", "not gin"),
    ("Run.seed 6", "not gin"),
    ("Run.seed = [6", "not closed"),
    ("Run.seed = '6", ""),
    ("Run.seed = ", "not gin"),
    ("seed = 6", "'seed' is bound as a macro"),
]


@pytest.mark.parametrize("line, said", [(fault[0], fault[1:]) for fault in FAULTS])
def test_a_fault_names_its_line_and_what_was_meant(write, line, said):
    path = write(f"{WHOLE}{line}\n")
    text = refusal(path)
    assert text.startswith(f"{path}:"), text
    number = int(text.removeprefix(f"{path}:").split(":")[0])
    assert number in ((NEXT, NEXT + 1) if "[6" in line or "'6" in line else (NEXT,)), text
    for words in said:
        assert words in text, text


@pytest.mark.parametrize(
    "budget", ["3m", "lots", "0", "1.5", "-1M", "1e9"], ids=lambda budget: budget
)
def test_a_budget_that_cannot_be_read_names_its_line(write, budget):
    path = write(WHOLE.replace('"3M"', f'"{budget}"'))
    assert refusal(path).startswith(f"{path}:8: budget='{budget}'")


@pytest.mark.parametrize("number", range(1, 12))
def test_a_line_left_out_is_missed_or_not_needed(write, number):
    lines = WHOLE.splitlines(True)
    path = write("".join(lines[: number - 1] + lines[number:]))
    if number in (4, 5, 11):  # optimizer, mesh and data have defaults
        config.read(path)
    else:
        text = refusal(path)
        known = ("is not set anywhere", "no effect", "give one of them", "learns at least 1 token")
        assert any(words in text for words in known), text


@pytest.mark.parametrize(
    "override, said",
    [
        ("Size.layer=6", "Size has no 'layer', did you mean 'layers'?"),
        ("Sise.layers=6", "did you mean 'Size'?"),
        ("Size.layers=six", "it takes a whole number"),
        ("Size.layers", "write it as Key=value"),
        ("layers=6", "write it as Key=value, did you mean 'Size.layers'?"),
        ("Architecture.name=encodr", "did you mean 'encoder'?"),
        ("Stage.tokens=3M", "lm/Stage.tokens, span/Stage.tokens say otherwise"),
        ("spam/Stage.tokens=3M", "did you mean 'span/Stage'?"),
        ("Run.seed=%seed", "a macro"),
        ("Run.size=@Sise()", "did you mean 'Size'?"),
        ("Run.seed=1\nRun.keep = 2", "it takes a whole number"),
        ("Run.seed=[[[[", "it takes a whole number"),
        ("Schedule.peak=nan", "Schedule.peak='nan'; it takes a number"),
        ("Schedule.peak=inf", "Schedule.peak='inf'; it takes a number"),
        ("Schedule.peak=1e999", "Schedule.peak=inf; it takes a number"),
    ],
)
def test_a_wrong_override_names_itself(write, override, said):
    text = refusal(write(WHOLE), [override])
    assert text.startswith("--set")
    assert text.endswith(said) if "peak" in said else said in text


def test_an_experiment_may_include_another_to_add(write):
    write(WHOLE, "base.gin")
    path = write("include 'base.gin'\nRun.seed = 5\n")
    assert config.read(path).run.seed == 5
    path = write("include 'base.gin'\nlm/Stage.tokens = '5M'\n")
    assert (
        refusal(path) == f"{path}:2: lm/Stage.tokens is bound already, in {path.parent}/base.gin:10"
    )


@pytest.mark.parametrize(
    "about, stage, where",
    [
        ("python_stdlib_prefix_lm", None, "{path}:9"),  # a value that stands in a line
        ("Size.vocab", None, "gin/size/tiny.gin:8"),
        ("Schedule.warmup", 0, "gin/stage/tiny.gin:8"),
        ("Schedule.warmup", 1, "{path}:12"),
        ("Stage.mixture", 0, "{path}:7"),
        ("Stage.mixture", 1, "{path}:9"),
        ("Schedule.floor", 1, "gin/stage/tiny.gin:5"),  # a default: where its thing is referred to
        ("Stage.architecture", 0, "{path}:6"),
        ("Data.folder", None, "{path}:11"),
    ],
)
def test_what_is_refused_later_is_given_its_place(write, about, stage, where):
    path = write(WHOLE + "lm/Schedule.warmup = 20\n")
    read = config.read(path)
    with pytest.raises(ConfigError) as caught, read.placed():
        raise Refusal("cannot be", about, stage)
    assert str(caught.value) == f"{where.format(path=path)}: cannot be"


@pytest.mark.parametrize(
    "late",
    [
        ValueError("the loss is not a number at step 3; Optimizer.clip=1.0 or Data.folder=. help"),
        ValueError("python_stdlib_prefix_lm was encoded by other code"),
        Refusal("the disk is full"),
        Refusal("the disk is full", "disk"),
        Refusal("the disk is full", "Run.seed"),
    ],
    ids=str,
)
def test_no_line_is_blamed_for_what_is_said_in_passing(write, late):
    read = config.read(write(WHOLE))
    with pytest.raises(ValueError) as caught, read.placed():
        raise late
    assert caught.value is late


def test_of_registered_stages_the_line_that_names_them_is_blamed(write):
    text = "".join(line for line in WHOLE.splitlines(True) if "Stage" not in line)
    path = write(text.replace("include 'gin/stage/tiny.gin'\n", "Run.stages = 'mine'\n"))
    with pytest.raises(ConfigError) as caught, config.read(path).placed():
        raise Refusal("cannot be", "Schedule.warmup", 1)
    assert str(caught.value) == f"{path}:3: cannot be"
