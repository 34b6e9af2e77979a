"""Every block on every page is run, or says why it is not and is read; notebooks are run."""

import json
import re
import shutil

import nbformat
import pytest
from nbclient import NotebookClient

from archlab import config
from archlab.data.options import Data
from tests import shared, xla
from tests.docs.pages import HOME, MARKS, PAGES, RUN, SHOWN, blocks
from tests.docs.shell import LEARNT, Shell, encode

NOTEBOOKS = sorted((HOME / "docs" / "notebooks").glob("*.ipynb"))
GIVEN = {  # runs that pages take for granted: what trains them
    "quickstart": "quickstart",
    "mine": "own_text --set Data.folder=texts",
    "flan": "smoke_encoder_decoder",
    "small": "smoke_causal_decoder",
    "smoke_encoder": "smoke_encoder",
    "smoke_encoder_decoder": "smoke_encoder_decoder",
}
CODE = re.compile(
    r"^(?:\$ |(?:\.venv/bin/)?archlab |import |from \w+ import |[\w/]+\.\w+ = )", re.M
)
named = {str(path.relative_to(HOME)): path for path in PAGES if blocks(path)}
# What a fragment of an experiment lacks to be one.
REST = ("architecture/prefix_decoder", "size/tiny", "stage/tiny", "optimizer/adamw", "mesh/all")


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """A folder of runs that pages take for granted; each is trained when it is first asked for."""
    encode([f"python_stdlib_{one}" for one in LEARNT], Data())
    return checkout(tmp_path_factory.mktemp("shelf"))


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """The folder that pages are followed in, so that a text of all of them is encoded once."""
    return checkout(tmp_path_factory.mktemp("desk"))


def checkout(folder):
    """A folder that looks like a checkout, with a text in it."""
    for path in HOME.iterdir():
        if path.name[0] != "." and path.name not in ("runs", "site"):
            (folder / path.name).symlink_to(path)
    (folder / "runs").mkdir()
    (folder / "texts").mkdir()
    for number in range(40):
        said = f"Text {number} says that {number} and {number} are {2 * number}.\n"
        (folder / "texts" / f"{number}.txt").write_text(said * 8)
    return folder


def granted(page):
    """The runs that a page's blocks name and do not make, as far as someone can train them."""
    said = "\n".join(one.text for one in blocks(page) if one.is_run and one.language in RUN)
    made = "\n".join(re.findall(r"archlab .*|make .*", said))
    own = set(re.findall(r"--out (?:\./)?runs/(\w+)", made))
    own |= {"quickstart"} if "make demo" in made or "train quickstart\n" in made else set()
    asked = {
        name for one in re.findall(r"runs/([\w*{},]+)", said) for name in GIVEN if fits(name, one)
    }
    return sorted(asked - own)


def fits(name, pattern):
    inner = re.sub(r"\{(.*?)\}", lambda one: f"(?:{one[1].replace(',', '|')})", pattern)
    return re.fullmatch(inner.replace("*", r"\w*"), name) is not None


@pytest.fixture(scope="module", autouse=True)
def programs_are_shared():
    """By pages that train the same."""
    with shared.programs():
        yield


@pytest.fixture(autouse=True)
def one_device(monkeypatch):
    """Compiling is what takes long, and others test meshes."""
    monkeypatch.setenv("XLA_FLAGS", xla.flags())  # of notebooks
    with shared.one_device():
        yield


@pytest.mark.parametrize("name", named)
def test_a_page_does_what_it_says(name, shelf, desk, monkeypatch):
    page = named[name]
    for run in granted(page):
        monkeypatch.chdir(shelf)
        if not (shelf / "runs" / run).exists():
            Shell(shelf).run(f"archlab train {GIVEN[run]} --out runs/{run}")
    monkeypatch.chdir(desk)
    shutil.rmtree("runs")
    (desk / "runs").mkdir()
    for run in granted(page):
        shutil.copytree(shelf / "runs" / run, desk / "runs" / run)
    shell, names = Shell(desk), {"__name__": name}
    for block in blocks(page):
        try:
            follow(block, shell, names)
        except BaseException as error:
            error.add_note(f"{name}, line {block.line}")
            raise


def follow(block, shell, names):
    """Runs a block, or reads it."""
    if block.file:
        (shell.folder / block.file).write_text(block.text)
    if block.language == "sh":
        (shell.run if block.is_run else shell.check)(block.text)
    elif block.language == "python":
        code = compile(block.text, f"line {block.line}", "exec")
        if block.is_run and not block.file:
            exec(code, names)
    elif block.language == "gin":
        read(block, shell.folder)
    elif block.language == "json":
        [json.loads(line) for line in block.text.splitlines()]


def read(block, folder):
    """Reads a gin file; what is only a part of an experiment is put into a whole one."""
    path = folder / (block.file or "block.gin")
    path.write_text(block.text)
    if "Suite.measures" in block.text:
        config.suite(path)
        return
    if "Run.stages" not in block.text:
        block_text = block.text + "\nRun.stages = [@Stage()]\nStage.mixture = 'python_stdlib_ul2'\n"
        path.write_text(block_text + ("" if "Stage.steps" in block.text else "Stage.steps = 1\n"))
    text = path.read_text()
    bound = set(re.findall(r"^([\w/]+\.\w+) =", text, re.M))
    for word in REST:
        said = (HOME / "gin" / f"{word}.gin").read_text()
        keys = set(re.findall(r"^([\w/]+\.\w+) =", said, re.M))
        if f"gin/{word.split('/')[0]}/" in text:
            continue
        if keys & bound:
            kept = [one for one in said.splitlines() if one.partition(" =")[0] not in bound]
            text += "\n" + "\n".join(kept)
        else:
            text = f"include 'gin/{word}.gin'\n{text}"
    path.write_text(text)
    config.read(path)


@pytest.mark.parametrize("name", named)
def test_every_block_says_what_it_is(name):
    for block in blocks(named[name]):
        where = f"{name}, line {block.line}"
        assert block.language in (*RUN, *SHOWN), f"{where}: a block is one of {RUN + SHOWN}"
        strange = [one for one in block.marks if one not in MARKS and "." not in one]
        assert not strange, f"{where}: marks are {MARKS}, or the name of a file"
        if block.language == "text":
            hidden = CODE.search(block.text)
            assert not hidden, f"{where}: {hidden[0]!r} can be run; it is one of {RUN}"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path, shelf, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(HOME))
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(HOME)}}).execute()
    said = [one for cell in notebook.cells for one in cell.get("outputs", ())]
    assert [one for one in said if "image/png" in one.get("data", {})]
    assert not [one for one in said if one.output_type == "error"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert cells
    assert not [cell for cell in cells if cell.outputs or cell.execution_count is not None]
