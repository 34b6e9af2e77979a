"""The rules of the house that can be read off the files: rooms, words, docstrings, tests."""

import ast
import configparser
import functools
import re
from pathlib import Path

HOME = Path(__file__).parent.parent.parent
PACKAGE = HOME / "archlab"
FILES = sorted(PACKAGE.rglob("*.py"))
TESTS = sorted((HOME / "tests").rglob("*.py"))
SOURCES = [
    *FILES,
    *(one for name in ("benchmarks", "docs") for one in sorted((HOME / name).rglob("*.py"))),
]

LONGEST = 300
NO_ROOMS = {"utils", "util", "common", "base", "helpers", "helper", "misc", "core", "tools"}
MAY_PRINT = ("commands/", "data/build.py")
UNTESTED = {"__init__.py", "__main__.py"}  # they hold no code of their own
# What may be skipped, where a machine has not what pip cannot install.
MAY_SKIP = {  # where what they need is not installed: a browser, Slurm
    "tests/report/test_page_seen.py": "pytest.skip",
    "tests/launch/test_slurm_cluster.py": "pytest.skip",
}
SPARED = re.compile(
    r"\b(?:TODO|FIXME|XXX)\b|\bNotImplementedError\b|\bmark\.(?:skip|xfail)|\bpytest\.(?:skip|xfail)"
)


def named(path: Path) -> str:
    return str(path.relative_to(PACKAGE if path.is_relative_to(PACKAGE) else HOME))


def each(paths: list[Path]):
    """Holds every file to a rule, which returns what breaks it there.

    One test a rule, not one a file: it names each file that breaks it.
    """

    def held(rule):
        def test():
            found = {named(path): rule(path) for path in paths}
            wrong = [f"{name}: {said}" for name, every in found.items() for said in every]
            assert not wrong, "\n".join(wrong)

        test.__doc__ = rule.__doc__
        return test

    return held


@functools.cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def definitions(node: ast.AST, where: str = "", is_public: bool = True):
    """Each class and function in modules and classes: (node, dotted name, whether it is public)."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            name = f"{where}.{child.name}".lstrip(".")
            seen = is_public and (not child.name.startswith("_") or child.name == "__call__")
            yield child, name, seen
            if isinstance(child, ast.ClassDef):
                yield from definitions(child, name, seen)
        elif isinstance(child, ast.If | ast.Try):
            yield from definitions(child, where, is_public)


def public(path: Path):
    """What others may use of a file, where it stands and what it is called."""
    return [(node, name) for node, name, seen in definitions(tree(path)) if seen]


def parameters(node: ast.FunctionDef) -> list[ast.arg]:
    """What a caller hands over."""
    arguments = node.args
    found = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    found += [one for one in (arguments.vararg, arguments.kwarg) if one]
    return [one for one in found if one.arg not in ("self", "cls")]


def is_a(node: ast.FunctionDef, *names: str) -> bool:
    """Whether a function is decorated with one of these."""
    return any(name in ast.unparse(one) for one in node.decorator_list for name in names)


@each(SOURCES)
def test_a_file_is_short_and_named_by_what_is_in_it(path):
    many = len(path.read_text().splitlines())
    long = [f"{many} lines, and {LONGEST} is the most"] if many > LONGEST else []
    return long + sorted({path.stem, *path.parent.parts[len(HOME.parts) :]} & NO_ROOMS)


@each(FILES)
def test_what_is_public_is_described(path):
    where = [(tree(path), "the file"), *public(path)]
    wrong = []
    for node, name in where:
        lines = (ast.get_docstring(node) or "").splitlines()
        if not lines:
            wrong.append(f"{name} has no docstring")
        elif len(lines[0]) > 80 and name != "the file":
            wrong.append(f"{name}: the first line has {len(lines[0])} characters")
        elif len(lines) > 1 and lines[1]:
            wrong.append(f"{name}: no empty line after the first")
        elif not lines[0].startswith("Args:") and lines[0][-1] not in ".:;,?":
            wrong.append(f"{name}: the first line is no sentence")
    return wrong


@each(FILES)
def test_parameters_are_described(path):
    wrong = []
    for node, name in public(path):
        text = ast.get_docstring(node) or ""
        # A verb describes its parameters where typer shows them; a property takes none.
        if isinstance(node, ast.ClassDef) or is_a(node, ".command("):
            continue
        arguments = [one.arg for one in parameters(node)]
        if arguments and "Args:" not in text:
            wrong.append(f"{name} does not describe {', '.join(arguments)}")
        for one in arguments if "Args:" in text else []:
            if not re.search(rf"(?:Args:|^|,) *\**{one}\b[^\n]*:", text, re.MULTILINE):
                wrong.append(f"{name}: {one} is not under Args")
    return wrong


@each(FILES)
def test_fields_are_described(path):
    """A dataclass says in its docstring what each field means; a Linen module, each attribute."""
    wrong = []
    for node, name in public(path):
        if not isinstance(node, ast.ClassDef):
            continue
        fields = [one.target.id for one in node.body if isinstance(one, ast.AnnAssign)]
        first = next((one for one in node.body if getattr(one, "name", "") == "__init__"), None)
        fields += [one.arg for one in parameters(first)] if first else []
        text = ast.get_docstring(node) or ""
        for field in fields:
            if not field.startswith("_") and not re.search(rf"^ +{field}:", text, re.MULTILINE):
                wrong.append(f"{name}.{field}")
    return wrong


@each(FILES)
def test_what_is_public_has_types(path):
    wrong = []
    for node, name in public(path):
        # Linen's own methods are called by Linen.
        if isinstance(node, ast.ClassDef) or node.name in ("__call__", "setup"):
            continue
        bare = [one.arg for one in parameters(node) if one.annotation is None]
        # The letters of an array are its type, and a **name takes what it is described to take.
        loose = {node.args.kwarg.arg if node.args.kwarg else ""}
        bare = [one for one in bare if one not in loose and not re.search(r"_[A-Z]+$", one)]
        if bare:
            wrong.append(f"{name}({', '.join(bare)})")
        if node.returns is None:
            wrong.append(f"{name} -> what?")
    return wrong


@each([*SOURCES, *(path for path in TESTS if path != Path(__file__))])
def test_nothing_is_left_for_later(path):
    text = path.read_text().replace(MAY_SKIP.get(named(path), "\n"), "\n", 1)
    lines = enumerate(text.splitlines(), 1)
    return [f"{number}: {line.strip()}" for number, line in lines if SPARED.search(line)]


def swallows(handler: ast.ExceptHandler) -> bool:
    """Whether it catches what it does not name, or everything to do nothing about it."""
    if handler.type is None:
        return True
    is_all = ast.unparse(handler.type) in ("Exception", "BaseException")
    return is_all and all(isinstance(line, ast.Pass | ast.Continue) for line in handler.body)


@each([*SOURCES, *TESTS])
def test_no_error_is_swallowed(path):
    handlers = [node for node in ast.walk(tree(path)) if isinstance(node, ast.ExceptHandler)]
    return [f"line {handler.lineno}" for handler in handlers if swallows(handler)]


@each([path for path in FILES if not named(path).startswith(MAY_PRINT)])
def test_only_commands_print(path):
    return [
        f"line {node.lineno}"
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print"
    ]


def test_every_file_has_its_tests_and_every_test_its_file():
    """Tests too many for one file go on in another: test_tasks.py, test_tasks_registry.py."""
    files = {named(path).removesuffix(".py") for path in FILES if path.name not in UNTESTED}
    tests = {
        str(path.relative_to(HOME / "tests").with_suffix("")).replace("test_", "")
        for path in TESTS
        if path.name.startswith("test_") and not {"house", "docs"} & {*path.relative_to(HOME).parts}
    }
    untested = sorted(files - tests)
    strangers = [
        test for test in sorted(tests) if not any(f"{test}_".startswith(f"{one}_") for one in files)
    ]
    assert not untested
    assert not strangers


UNTYPED = 43  # rooms that mypy.ini lists; the number falls, and never rises


def test_rooms_whose_types_are_not_checked_become_fewer():
    said = configparser.ConfigParser()
    said.read(HOME / "mypy.ini")
    left = re.compile(said["mypy"]["exclude"])
    assert sum(bool(left.search(str(path.relative_to(HOME)))) for path in FILES) == UNTYPED


TREE = re.compile(r"```text\n(archlab/\n.*?)```", re.DOTALL)


def listed() -> dict[str, str]:
    """The tree of docs/rooms.md: each file of archlab, and its phrase.

    A line is a name and a phrase, and its indentation is the folder that it is in. What comes after
    archlab/ without indentation (gin/, experiments/) is another folder's.
    """
    block = TREE.search((HOME / "docs" / "rooms.md").read_text(encoding="utf-8"))
    assert block, "docs/rooms.md has no ```text block that begins with archlab/"
    found, folders = {}, []
    for line in block.group(1).splitlines():
        if not line.strip():
            continue
        depth = len(line) - len(line.lstrip())
        name, _, phrase = line.strip().partition(" ")
        folders = [(level, folder) for level, folder in folders if level < depth]
        path = "".join(folder for _, folder in folders) + name
        if name.endswith("/"):
            folders.append((depth, name))
        if path.startswith("archlab/") and not path.endswith("/"):
            found[path.removeprefix("archlab/")] = phrase.strip()
        assert (HOME / path).exists(), f"docs/rooms.md lists {path}, which is not there"
    return found


def test_every_file_is_listed_with_a_phrase():
    found = listed()
    there = {named(path) for path in FILES if path.name not in UNTESTED}
    there |= {named(path) for path in PACKAGE.rglob("*.jinja")}
    missing = sorted(there - set(found))
    assert not missing, "in archlab/, and not in docs/rooms.md"
    bare = sorted(name for name in there if not found[name])
    assert not bare, "in docs/rooms.md without a phrase"
