"""The user's own modules are run once, by name or by path, and their failures are theirs."""

import sys

import pytest

from archlab import modules


@pytest.fixture
def write(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
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


def test_what_is_not_there_or_fails_is_named(write):
    with pytest.raises(ValueError, match="--module no_such_module: ModuleNotFoundError"):
        modules.load("no_such_module")
    with pytest.raises(ValueError, match="--module no_such.py: FileNotFoundError"):
        modules.load("no_such.py")
    path = write("broken_tasks.py", "1 / 0\n")
    for _ in range(2):
        with pytest.raises(ValueError, match="broken_tasks.py: ZeroDivisionError"):
            modules.load(path)
