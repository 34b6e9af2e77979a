import pytest

from tests.fakes import Fakes


@pytest.fixture
def fakes(tmp_path, monkeypatch):
    return Fakes(tmp_path / "fakes", monkeypatch)
