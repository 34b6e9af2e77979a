"""How far a run is follows from its directory."""

from archlab.sweep import standing
from tests.runs_written import whole, write


def test_a_run_is_new_begun_or_finished(tmp_path):
    assert standing.of(tmp_path / "none") == standing.NEW
    assert standing.of(write(tmp_path / "ended", whole())) == standing.FINISHED
    assert standing.of(write(tmp_path / "going", whole()[:5])) == standing.BEGUN
    silent = write(tmp_path / "silent", [])  # it has its settings, and recorded nothing
    assert standing.of(silent) == standing.BEGUN and standing.read(silent) is None
