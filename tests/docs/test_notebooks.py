"""Both notebooks run from top to bottom, and are kept without what they say."""

import nbformat
import pytest
from nbclient import NotebookClient

from tests.docs.pages import HOME

NOTEBOOKS = sorted((HOME / "docs" / "notebooks").glob("*.ipynb"))


def read(path):
    return nbformat.read(path, as_version=4)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs(path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(HOME))
    notebook = read(path)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(HOME)}}).execute()
    said = [one for cell in notebook.cells for one in cell.get("outputs", ())]
    pictures = [one for one in said if "image/png" in one.get("data", {})]
    assert pictures
    assert not [one for one in said if one.output_type == "error"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_kept_without_outputs(path):
    notebook = read(path)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert cells
    assert not [cell for cell in cells if cell.outputs or cell.execution_count is not None]
