"""Names tell the truth about arrays, in every architecture, at sizes that are all different."""

import ast
import dataclasses
import functools
import itertools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from archlab import axes
from archlab import batch as batches
from archlab.architecture import POSITIONS, RUNGS, VISIBILITY, Architecture
from archlab.batch import Batch
from archlab.generation import beam, choice, manner, prompts, unmasking, writing
from archlab.kernels import chunked, dense, flash, pallas
from archlab.mesh import Mesh
from archlab.model.attention import Attend
from archlab.model.experts import Experts
from archlab.model.transformer import Transformer, bias, table
from archlab.size import Size
from archlab.stages import Schedule
from archlab.train import loss, step
from archlab.train.optimizer import Optimizer
from tests import shapes

SIZE = Size(
    layers=3, embed=16, mlp=24, heads=4, kv=6, vocab=40, kv_heads=2, buckets=32, positions=29
)
ROWS, INPUTS, TARGETS = 5, 13, 9
MIXED = dataclasses.replace(SIZE, experts=7, choices=2)
SIZES = [getattr(SIZE, word) for word in axes.WORDS.values() if getattr(SIZE, word, 0) > 1]
# H is held equal within a function only: what turns queries turns keys, which have fewer heads.
KNOWN = {
    letter: getattr(SIZE, word)
    for letter, word in axes.WORDS.items()
    if getattr(SIZE, word, 0) > 1 and letter != "H"
}
MODEL = shapes.PACKAGE / "model"
ALL = list(itertools.product(VISIBILITY, POSITIONS))


def shaped(*extents: int) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(extents, jnp.float32)


RICH = {
    "activation": "gelu",
    "tied": False,
    "norm": "layer",
    "bias": True,
    "window": 3,
    "global_every": 2,
    "qk_norm": True,
    "attention_cap": 5.0,
    "logit_cap": 3.0,
    "head": "transformed",
}
PLACED = [{"norm_place": "post"}, {"norm_place": "both", "embedding_norm": True}]


@functools.cache
def traced(name: str, position: str, *words: tuple[str, object]) -> shapes.Seen:
    """Traces one architecture from a batch to its loss, and says what its names are like."""
    settings = dict(words)
    dtype = settings.pop("dtype", jnp.float32)
    architecture = Architecture(name, position, **settings)
    model = Transformer(SIZE, architecture, dtype=dtype)
    batch = batches.abstract(architecture.kind, ROWS, INPUTS, TARGETS)

    def read(model: Transformer, batch: Batch) -> jax.Array:
        x_BLD = model.read(batch)
        model.score(x_BLD)
        return x_BLD

    def score(batch: Batch) -> loss.Sums:
        x_BLD, weights = model.init_with_output(jax.random.key(0), batch, method=read)
        table_VD = table(architecture, weights["params"])
        bias_V = bias(architecture, weights["params"])
        learnt = (batch.target_BL, batch.weight_BL, 1.0)
        end = {"bias_V": bias_V, "cap": architecture.logit_cap}
        return loss.mean(x_BLD, table_VD, *learnt, 1e-4, **end)[1]

    with shapes.watched(**KNOWN) as seen:
        jax.eval_shape(score, batch)
    return seen


CHOICES = [choice for choice in itertools.product((False, True), repeat=3) if any(choice)]


def on_rung(choice: tuple[bool, ...]) -> shapes.Seen:
    """Traces a rung of the ladder from an encoder-decoder to a prefix decoder."""
    window = [("window", 3), ("global_every", 2)]
    return traced("encoder_decoder", "rope", *zip(RUNGS, choice, strict=True), *window)


@functools.cache
def traced_experts() -> shapes.Seen:
    """Traces hidden layers of which a token meets some, on one device and on a mesh."""
    given = (shaped(4, INPUTS, SIZE.embed), jax.ShapeDtypeStruct((4, INPUTS), bool))
    with shapes.watched(**KNOWN) as seen:
        for mesh in (None, Mesh(2).build(jax.devices()[:2])):
            module = Experts(MIXED, Architecture("encoder"), attend=Attend(mesh=mesh))
            made = functools.partial(module.init_with_output, jax.random.key(0))
            jax.eval_shape(made, *given)
    return seen


def test_names_are_true_of_experts():
    seen = traced_experts()
    assert not seen.wrong, "\n".join(sorted(seen.wrong))
    assert seen.checked["model/experts"] > 10


def generated(name: str, position: str, **rungs: bool) -> shapes.Seen:
    """Traces what continues prompts of two lengths, in each way that there is."""
    model = Transformer(SIZE, Architecture(name, position, **rungs))
    kind = model.architecture.kind
    weights = jax.eval_shape(
        model.init, jax.random.key(0), batches.abstract(kind, 1, INPUTS, TARGETS)
    )["params"]
    given = [[3] * (ROWS + one % 2) for one in range(ROWS)]
    row_B, read = np.arange(ROWS), [[]] * ROWS if kind == "encoder_decoder" else given
    words = {"most": 2, "end": 1, "allowed": SIZE.vocab, "room": 7}
    drawn = (choice.keys(0, row_B), choice.Choice(1.0, 3, 0.5))
    with shapes.watched(**KNOWN) as seen:
        if kind == "encoder":
            rows = (prompts.encoded(given, 14), np.full(ROWS, 6), row_B < 9)
            for order in manner.ORDERS:
                more = {"passes": 2, "mask": 5, "order": order, "is_shifted": True}
                jax.eval_shape(
                    lambda weights, more=more: unmasking.unmask(
                        model, weights, *rows, *drawn, **more, **words
                    ),
                    weights,
                )
            return seen
        source = prompts.encoded(given, 14) if kind == "encoder_decoder" else None
        rows = (prompts.prompted(read, 11), source, row_B < 9)
        jax.eval_shape(
            lambda weights: writing.write(model, weights, *rows, *drawn, **words), weights
        )
        jax.eval_shape(
            lambda weights: beam.search(model, weights, *rows, 0.6, beams=10, **words), weights
        )
    return seen


def test_the_sizes_are_all_different():
    half = SIZE.kv // 2
    extents = [*SIZES, ROWS, INPUTS, TARGETS, INPUTS + TARGETS, 7, 10, 11, 14, 1]
    assert len(set(extents)) == len(extents), "or a wrong letter could pass"
    assert half not in [SIZE.kv, SIZE.heads, SIZE.kv_heads], "or half a head could pass for one"


@pytest.mark.parametrize("name, position", ALL)
def test_names_are_true_in_every_architecture(name, position):
    seen = traced(name, position)
    assert not seen.wrong, "\n".join(sorted(seen.wrong))
    rooms = {"attention", "embedding", "heads", "mlp", "norm", "stack", "transformer", "visibility"}
    rooms |= {"position"} if position in ("rope", "relative") else set()
    for room in rooms:
        assert seen.checked[f"model/{room}"] > 0, room
    assert seen.checked["train/loss"] > 0


@pytest.mark.parametrize("place", PLACED, ids=lambda place: place["norm_place"])
@pytest.mark.parametrize("name", VISIBILITY)
def test_names_are_true_of_every_ingredient(name, place):
    for position in ("rope", "learned"):
        seen = traced(name, position, *RICH.items(), *place.items())
        assert not seen.wrong, "\n".join(sorted(seen.wrong))


CONTINUED = [(name, "rope") for name in VISIBILITY] + [("encoder_decoder", "relative")]


@pytest.mark.parametrize("name, position", CONTINUED)
def test_names_are_true_where_prompts_are_continued(name, position):
    seen = generated(name, position)
    assert not seen.wrong, "\n".join(sorted(seen.wrong))
    rooms = {"unmasking"} if name == "encoder" else {"reading", "writing", "beam"}
    for room in {"choice", "prompts", *rooms}:
        assert seen.checked[f"generation/{room}"] > 2, room


@pytest.mark.parametrize("choice", CHOICES)
def test_names_are_true_on_every_rung(choice):
    seen = on_rung(choice)
    assert not seen.wrong, "\n".join(sorted(seen.wrong))
    assert seen.checked["model/sight"] > 10


def test_names_are_true_where_prompts_are_continued_at_the_top():
    seen = generated("encoder_decoder", "rope", **dict.fromkeys(RUNGS, True))
    assert not seen.wrong, "\n".join(sorted(seen.wrong))


KERNELS = {
    "dense": functools.partial(dense.attend, cap=2.0),
    "chunked": functools.partial(flash.attend, chunked.kernel(9, 13, 2.0, block=8)),
    "pallas": functools.partial(flash.attend, pallas.kernel(9, 13, 2.0, interpret=True, block=8)),
}


@pytest.mark.parametrize("name", KERNELS)
def test_names_are_true_of_attention_whose_memory_is_longer(name):
    def both(*given):
        read, pull = jax.vjp(KERNELS[name], *given)
        return read, pull(read)

    edges = jax.ShapeDtypeStruct((ROWS, TARGETS), jnp.int32)
    with shapes.watched(**KNOWN) as seen:
        (out_BLHK, log_sum_BLH), _ = jax.eval_shape(
            both,
            shaped(ROWS, TARGETS, SIZE.heads, SIZE.kv),
            shaped(ROWS, INPUTS, SIZE.kv_heads, SIZE.kv),
            shaped(ROWS, INPUTS, SIZE.kv_heads, SIZE.kv),
            edges,
            edges,
            shaped(SIZE.heads, TARGETS + INPUTS - 1),
        )
    assert out_BLHK.shape == (ROWS, TARGETS, SIZE.heads, SIZE.kv)
    assert log_sum_BLH.shape == out_BLHK.shape[:3]
    assert not seen.wrong and seen.checked[f"kernels/{name}"] >= 10


@functools.cache
def traced_on_a_mesh() -> shapes.Seen:
    """Traces attention where each of two devices has half of the heads."""
    own = Attend("dense", Mesh(1, 2).build(jax.devices()[:2]))
    keys = shaped(ROWS, INPUTS, SIZE.kv_heads, SIZE.kv)
    edges = jax.ShapeDtypeStruct((ROWS, TARGETS), jnp.int32)
    bias_HP = shaped(SIZE.heads, TARGETS + INPUTS - 1)
    with shapes.watched(**KNOWN) as seen:
        jax.eval_shape(
            own, shaped(ROWS, TARGETS, SIZE.heads, SIZE.kv), keys, keys, edges, edges, bias_HP
        )
    return seen


def test_names_are_true_on_a_mesh():
    assert not traced_on_a_mesh().wrong


class Traced:
    """A jitted function that is traced where it would be compiled, which takes seconds."""

    def __init__(self, function, **_):
        self.function = function

    def lower(self, *arguments):
        jax.eval_shape(self.function, *arguments)
        return self

    def compile(self):
        return self


@pytest.mark.parametrize("accumulate", [1, 3])
def test_names_are_true_of_the_step(monkeypatch, accumulate):
    mesh = Mesh(1, 1).build(jax.devices()[:1])
    network = step.on(mesh, Transformer(SIZE, Architecture("causal_decoder", "none")))
    batch = batches.abstract(network.architecture.kind, 15, INPUTS, TARGETS)
    monkeypatch.setattr(jax, "jit", Traced)
    with shapes.watched(**KNOWN) as seen:
        step.lower(
            network, Optimizer(), Schedule("flat"), 5, mesh, batch, accumulate, 1e-3
        ).compile()
    assert not seen.wrong, "\n".join(sorted(seen.wrong))
    assert seen.checked["train/step"] > 0 and seen.checked["train/loss"] > 0


def suffixed() -> set[tuple[str, str, str]]:
    """(file, function, name) of each local of model/ whose name has dimensions."""
    found = set()

    def walk(node: ast.AST, where: tuple[str, ...], in_function: bool, path: Path):
        for child in ast.iter_child_nodes(node):
            inside, is_inner = where, in_function
            if isinstance(child, ast.ClassDef | ast.FunctionDef):
                inside, is_inner = (*where, child.name), isinstance(child, ast.FunctionDef)
            name = ""
            if isinstance(child, ast.arg):
                name = child.arg
            elif isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store):
                name = child.id
            if in_function and axes.letters(name):
                found.add((path.name, ".".join(where), name))
            walk(child, inside, is_inner, path)

    for path in MODEL.glob("*.py"):
        walk(ast.parse(path.read_text()), (), False, path)
    return found


def test_no_name_of_the_model_was_left_unchecked():
    runs = [traced(name, position) for name, position in ALL]
    runs += [traced_experts(), on_rung((False, True, True))]
    runs += [traced("encoder", "none", ("activation", "relu")), traced_on_a_mesh()]
    runs += [traced("encoder", "rope", ("dtype", jnp.bfloat16))]
    runs += [traced("encoder", "rope", *RICH.items(), *place.items()) for place in PLACED]
    runs += [traced("encoder", "rope", ("rotary_stretch", (2.0, 3.0, 9.0)))]
    assert not any(run.wrong for run in runs)
    seen = {
        (Path(code.co_filename).name, code.co_qualname, name)
        for run in runs
        for code, name in run.names
    }
    names = suffixed()
    assert len(names) > 50 and not sorted(names - seen)


def planted(body: str, **variables):
    """Runs a function that claims to stand in archlab, and says what the checker found."""
    path = str(MODEL / "planted.py")
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    scope = {"jnp": jnp}
    exec(compile(f"def planted({', '.join(variables)}):\n{lines}\n", path, "exec"), scope)
    with shapes.watched(**KNOWN) as seen:
        jax.eval_shape(scope["planted"], *variables.values())
    assert seen.checked["model/planted"] > 0
    return seen.wrong


@pytest.mark.parametrize(
    "body, said",
    [
        ("x_LBD = x_BLD", "is 5 in x_LBD"),  # two letters change places
        ("x_BL = x_BLD", "x_BL has shape"),  # a letter is missing
        ("x_BLDF = x_BLD", "x_BLDF has shape"),  # a letter too many
        ("x_BLF = x_BLD", "F is 16 in x_BLF"),  # the wrong word, though the rank is right
        ("x_BLD = x_BLD[:, :4] ; y_BL = x_BLD[:, :3, 0]", "L is 3 in y_BL"),  # two extents
        ("y_BMD = x_BLD\nz_BMD = x_BLD[:, :7]", "M is 7 in z_BMD"),
        ("def inner():\n    hidden_BLK = x_BLD\ninner()", "K is 16 in hidden_BLK"),
    ],
)
def test_a_planted_lie_is_found(body, said):
    wrong = planted(body, x_BLD=shaped(ROWS, INPUTS, SIZE.embed))
    assert any(said in line for line in wrong), wrong


def test_a_planted_truth_is_not_a_lie():
    body = "square_BL = x_BLD.sum(-1)\nx_BLD = x_BLD / square_BL[..., None]"
    assert not planted(body, x_BLD=shaped(ROWS, INPUTS, SIZE.embed))


def fielded(*weight: int) -> set[str]:
    sums = loss.Sums(*[shaped(3, ROWS)] * 2, shaped(*weight), shaped(3, ROWS))
    with shapes.watched() as seen:
        seen.look((lambda: 0).__code__.replace(co_filename=str(MODEL / "x.py")), {"sums": sums})
    return seen.wrong


def test_fields_may_be_stacked_together_and_lie_alone():
    assert not fielded(3, ROWS)
    assert any("loss_B has shape" in line for line in fielded(ROWS))
    assert any("B is 6 in weight_B" in line for line in fielded(3, ROWS + 1))
