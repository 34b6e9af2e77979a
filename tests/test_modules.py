"""The user's own modules are run once, by name or by path, and their failures are theirs."""

import os
import sys

import pytest

from archlab import modules


@pytest.fixture
def write(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place])  # "" is here
    before = set(sys.modules)

    def write(name, text):
        (tmp_path / name).write_text(text)
        return str(tmp_path / name)

    yield write
    for name in set(sys.modules) - before:
        del sys.modules[name]


COUNT = "import builtins\nbuiltins.archlab_runs = getattr(builtins, 'archlab_runs', 0) + 1\n"


@pytest.mark.parametrize("as_path", [True, False])
def test_a_module_runs_once(write, monkeypatch, as_path):
    import builtins

    monkeypatch.setattr(builtins, "archlab_runs", 0, raising=False)
    path = write("my_own_tasks.py", COUNT)
    for _ in range(2):
        modules.load(path if as_path else "my_own_tasks")
    assert builtins.archlab_runs == 1


@pytest.mark.parametrize("names", [("own_tasks.py", "tabnanny"), ("tabnanny", "own_tasks.py")])
def test_one_that_is_named_is_looked_for_here_first(write, names):
    """Whatever was loaded before, and though Python has one of that name."""
    write("own_tasks.py", "x = 1\n")
    path = write("tabnanny.py", "x = 1\n")
    before = list(sys.path)
    for name in names:
        modules.load(name)
    assert sys.modules["tabnanny"].__file__ == path == str(modules.find("tabnanny"))
    assert sys.path == [*before, os.getcwd()]


@pytest.mark.parametrize("name", ["own_tasks.py", "own_tasks"])
def test_what_lies_beside_one_is_found_after_pythons_own(write, name):
    write("own_tasks.py", "import own_words\n\ndef late():\n    import tabnanny\n")
    write("own_words.py", "x = 1\n")
    write("tabnanny.py", "raise SystemExit('the tabnanny of the user')\n")
    modules.load(name)
    assert sys.modules["own_words"].x == 1
    sys.modules["own_tasks"].late()


def test_what_is_not_there_or_fails_is_named(write):
    with pytest.raises(ValueError, match="--module no_such_module: ModuleNotFoundError"):
        modules.load("no_such_module")
    with pytest.raises(ValueError, match="--module no_such.py: FileNotFoundError"):
        modules.load("no_such.py")
    path = write("broken_tasks.py", "def halve():\n    return 1 / 0\n\n\nhalve()\n")
    for module in (path, path, "broken_tasks"):
        said = rf"--module {module}:2: ZeroDivisionError: division by zero$"
        with pytest.raises(ValueError, match=said):
            modules.load(module)


@pytest.mark.parametrize(
    "text, said",
    [
        ("x = 1\nimport json\njson.loads('{')\n", ":3: JSONDecodeError"),  # not json's own line
        ("x = 1\nx = (\n", ":2: SyntaxError: '.' was never closed"),
        ("import sys\nsys.exit(3)\n", ":2: SystemExit: 3$"),
        ("raise KeyError\n", ":1: KeyError: $"),
    ],
)
def test_the_line_of_the_users_own_file_is_named(write, text, said):
    path = write("failing_tasks.py", text)
    with pytest.raises(ValueError, match=path + said):
        modules.load(path)


def test_what_a_registry_does_not_know_is_suggested(write):
    path = write("typo_tasks.py", "raise ValueError('not registered: folder_prefix_ml')\n")
    names = ["folder_prefix_lm", "folder_masked_lm"]
    with pytest.raises(ValueError, match="ml, did you mean 'folder_prefix_lm'\\?$"):
        modules.load(path, lambda: names)
    with pytest.raises(ValueError, match="folder_prefix_ml$"):
        modules.load(path)


def test_a_mark_is_of_the_content_and_not_of_the_spelling(write, tmp_path):
    path = write("some_tasks.py", "x = 1\n")
    (mark,) = modules.marks([path])
    assert mark.split()[0] == "some_tasks"
    for spelled in (
        "some_tasks",
        "some_tasks.py",
        "./some_tasks.py",
        f"../{tmp_path.name}/some_tasks.py",
    ):
        assert modules.marks([spelled]) == [mark]
    write("some_tasks.py", "x = 2\n")
    assert modules.marks([path]) != [mark]
    assert modules.marks(["not_there.py", "not.there"]) == ["not_there", "not.there"]
