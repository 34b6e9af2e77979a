import pytest

from archlab import trained


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(
        ValueError, match="is not a run that has trained: it holds no manifest.json"
    ):
        trained.load(tmp_path)
    with pytest.raises(ValueError, match="there is no run directory .*/none$"):
        trained.load(tmp_path / "none")
