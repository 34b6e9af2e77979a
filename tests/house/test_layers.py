"""Data flows one way: a file imports only files of lower layers, and a library has one home.

`LAYERS` is the table. docs/house.md shows the same one, and a test holds the two equal.
"""

import ast
import functools
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

import archlab

PACKAGE = Path(archlab.__file__).parent
HOUSE = PACKAGE.parent / "docs" / "house.md"

LAYERS = """
0  axes batch census chips directory footprint form progress refusal spelling stop
   evaluation/estimate generation/choice kernels/flash kernels/interval kernels/tile
   model/position model/product report/fairness report/ink report/names report/numbers
   show/template sweep/grid train/loss data/chance data/examples data/huggingface data/memory
   data/places data/recognition data/records data/reports data/row
1  architecture bindings experiments mesh modules processes record size topology
   bridge/configuration bridge/shards evaluation/labelled evaluation/lines generation/manner
   generation/prompts kernels/chunked kernels/dense kernels/grid launch/call model/visibility
   report/likeness report/lines show/cells surgery/choices data/bins data/options data/order
   data/packing data/pieces data/prefetch data/shards data/sources data/objectives/runs
2  installation ledger shares stages statements things bridge/table evaluation/passages
   evaluation/tables generation/generations kernels/pallas launch/machines model/sight
   show/examples train/bits data/cut data/kinds data/pairs data/store data/tokenizers
3  compiled bridge/family launch/cloud launch/hosts launch/jobset launch/slurm model/attention
   report/history train/optimizer data/code data/corpora data/files data/vocabulary data/writer
4  scaffold bridge/bert bridge/gpt2 bridge/llama bridge/model bridge/modernbert bridge/t5
   bridge/words launch/xpk model/layers report/series show/row show/statistics sweep/standing
   data/features data/labelling data/objectives/masks data/objectives/objective
5  bridge/families launch/places model/mlp model/norm report/figures sweep/course sweep/tables
   data/labels data/readers data/supervision data/objectives/denoising data/objectives/infilling
   data/objectives/language data/objectives/masking
6  bridge/huggingface evaluation/formats model/embedding model/experts model/heads report/page
   data/objectives/table
7  commands/completion model/stack data/recipes data/tasks
8  cache commands/app model/transformer data/documents data/exam data/roads data/streamed
9  inspection bridge/own commands/machine commands/vocabularies evaluation/scorer
   generation/reading surgery/origins train/state data/jobs data/metrics data/pipeline
10 bridge/folders evaluation/subject generation/beam generation/writing show/sample
   surgery/compatibility surgery/transplant train/step data/beam data/feed
11 settings evaluation/incontext evaluation/measures evaluation/representations
   generation/unmasking show/page show/picture surgery/outcome train/meter data/build
   data/examiner
12 plain program evaluation/probing evaluation/validation generation/generate surgery/operation
   train/loop train/position
13 account plan evaluation/harness evaluation/task generation/files train/checkpoint
14 compilation trained evaluation/classes evaluation/suite
15 config start bridge/runs evaluation/runs
16 agreement commands/evaluations commands/models commands/runs commands/tasks
17 faults run
18 finetuning commands/experiments sweep/costs
19 commands/finetuning commands/launches commands/pods commands/sweeps
20 commands/line
"""

# Who may import a library: a file, or a folder ending in a slash.
OWNERS = {
    "gin": ("config", "statements", "data/recognition"),
    "seqio": (
        *("data/corpora", "data/documents", "data/features", "data/files", "data/labels"),
        *("data/roads", "data/supervision", "data/tasks"),
    ),
    "tensorflow": (
        *("data/corpora", "data/features", "data/files", "data/kinds", "data/labels"),
        *("data/records", "data/supervision", "data/tasks"),
    ),
    "pyarrow": ("data/records",),
    "tokenizers": ("data/huggingface",),
    "apache_beam": ("data/beam",),
    "lm_eval": ("evaluation/harness",),
    "fsspec": ("data/places",),
    "flax": ("model/",),
    "optax": ("train/",),
    "scipy": ("evaluation/estimate",),
    "sklearn": ("evaluation/probing",),
    "safetensors": ("bridge/shards",),
    "ml_dtypes": ("bridge/shards",),
    "orbax": ("train/checkpoint",),
    "grain": ("data/order",),
    "sentencepiece": ("data/pieces",),
    "typer": ("commands/",),
    "matplotlib": ("report/figures", "report/ink", "report/likeness"),
    "jinja2": ("show/template",),
    "tensorboardX": ("record",),
    "rich": ("cache", "commands/", "evaluation/tables", "progress", "show/picture", "sweep/tables"),
}

# What data/ may know: itself, the batch it fills, the form of JSON, and how to say what was meant.
KNOWN_TO_DATA = {"batch", "form", "modules", "refusal", "spelling"}


def layers() -> dict[str, int]:
    """The layer of each file, as the table says."""
    table: dict[str, int] = {}
    number = -1
    for line in LAYERS.strip().splitlines():
        words = line.split()
        if line[0].isdigit():
            number = int(words.pop(0))
        for word in words:
            assert word not in table, f"{word} stands twice in LAYERS"
            table[word] = number
    return table


@functools.cache
def files() -> dict[str, Path]:
    """Every file that has a layer, by its name in the table."""
    return {
        str(path.relative_to(PACKAGE).with_suffix("")): path
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.name not in ("__init__.py", "__main__.py")
    }


def imported(tree: ast.AST) -> list[str]:
    """Dotted names that a file imports, those inside functions too."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute"
            found += [f"{node.module}.{name.name}" for name in node.names]
    return found


@functools.cache
def imports(name: str) -> tuple[frozenset[str], frozenset[str]]:
    """Files of archlab, and libraries, that a file imports."""
    rooms, libraries = set(), set()
    for dotted in imported(ast.parse(files()[name].read_text())):
        parts = dotted.split(".")
        if parts[0] != "archlab":
            # tensorflow_datasets and tensorflow_text are as heavy as tensorflow.
            libraries.add("tensorflow" if parts[0].startswith("tensorflow") else parts[0])
            continue
        whole, holder = "/".join(parts[1:]), "/".join(parts[1:-1])
        assert {whole, holder} & set(files()), f"{name} imports {dotted}, which is no file"
        rooms.add(whole if whole in files() else holder)
    return frozenset(rooms), frozenset(libraries)


def lowest() -> dict[str, int]:
    """The layer where each file belongs: the lowest above all that it imports."""
    below = {name: imports(name)[0] for name in files()}
    found: dict[str, int] = {}
    for name in graphlib.TopologicalSorter(below).static_order():
        found[name] = max((found[other] + 1 for other in below[name]), default=0)
    return found


def misplaced(table: dict[str, int], right: dict[str, int]) -> list[str]:
    """Every file that the table has elsewhere, or has in vain, or lacks."""
    return [
        f"{name} stands in layer {table.get(name)} and belongs in layer {right.get(name)}"
        for name in sorted({*table, *right})
        if table.get(name) != right.get(name)
    ]


def test_every_file_is_in_the_lowest_layer_above_what_it_imports():
    wrong = misplaced(layers(), lowest())
    assert not wrong, "\n".join(wrong)


def test_all_that_are_misplaced_are_told():
    wrong = misplaced({"a": 0, "b": 1, "c": 1}, {"a": 0, "b": 2, "d": 3})
    assert [one.split()[0] for one in wrong] == ["b", "c", "d"]


@pytest.mark.parametrize("library", OWNERS)
def test_a_library_has_one_home(library):
    homes = OWNERS[library]
    users = [name for name in files() if library in imports(name)[1]]
    strangers = [
        name
        for name in users
        if name not in homes and not any(name.startswith(home) for home in homes if home[-1] == "/")
    ]
    assert not strangers, f"{library} is for {', '.join(homes)}"
    unused = [home for home in homes if not any(name.startswith(home) for name in users)]
    assert not unused, f"{library} is not imported by {', '.join(unused)}; take it off the list"


def test_data_knows_no_model_and_no_jax():
    heavy = {"jax", "jaxlib", "flax", "optax", "orbax"}
    wrong = {}
    for name in (name for name in files() if name.startswith("data/")):
        rooms, libraries = imports(name)
        others = {one for one in rooms if not one.startswith("data/")}
        wrong[name] = others - KNOWN_TO_DATA | libraries & heavy
    assert not {name: found for name, found in wrong.items() if found}


def test_a_model_knows_no_data_and_no_training():
    models = [name for name in files() if name.startswith("model/")]
    known = {
        name: [one for one in imports(name)[0] if one.startswith(("data/", "train/"))]
        for name in models
    }
    assert not {name: found for name, found in known.items() if found}


def test_an_import_of_a_function_counts():
    tree = ast.parse("def late():\n    from archlab.data import row\n    import gin.config\n")
    assert imported(tree) == ["archlab.data.row", "gin.config"]


LIGHT = {
    "archlab.report.page": ("jax", "flax", "tensorflow", "seqio", "gin"),
    "archlab.commands": ("jax", "flax", "tensorflow", "seqio", "gin", "matplotlib"),
    "archlab.directory": ("jax", "flax", "tensorflow", "seqio", "gin"),
    "archlab.config": ("tensorflow", "seqio"),
    "archlab.run": ("tensorflow", "seqio"),
    # Grain imports JAX and Orbax, so this is light but for those.
    "archlab.data.recipes": ("flax", "optax", "tensorflow", "seqio"),
}
TOLD = "import sys, {0}; print(*{{name.split('.')[0] for name in sys.modules}})"


@pytest.mark.parametrize("module", LIGHT)
def test_what_is_imported_stays_light(module):
    told = subprocess.run(
        [sys.executable, "-c", TOLD.format(module)],
        capture_output=True,
        text=True,
        check=True,
        cwd=PACKAGE.parent,
    )
    heavy = set(LIGHT[module]) & set(told.stdout.split())
    assert not heavy


def test_the_house_shows_the_table():
    assert LAYERS.strip() in HOUSE.read_text(), f"{HOUSE.name} does not show LAYERS:\n{LAYERS}"
