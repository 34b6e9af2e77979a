"""Runs written by the test, and read back."""

import pytest

from archlab.report import history
from tests.runs_written import write


@pytest.fixture
def made(tmp_path):
    def made(*runs):
        place = tmp_path / str(len(list(tmp_path.iterdir())))
        folders = [write(place / f"run{i}", lines) for i, lines in enumerate(runs)]
        return [history.read(folder, folder.name) for folder in folders]

    return made
