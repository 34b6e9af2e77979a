"""The doctor names what is missing, and fails where training would."""

from archlab import commands, installation
from archlab.installation import Finding


def test_the_doctor_lists_what_there_is(capsys):
    assert commands.main(["doctor"]) == 0
    said = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert {"python", "archlab", "jax", "devices", "gcloud"} <= set(said)


def test_the_doctor_fails_where_training_would(capsys, monkeypatch):
    missing = [Finding("jax", "", "install it", True), Finding("xpk", "", "or not")]
    monkeypatch.setattr(installation, "packages", lambda: missing)
    assert commands.main(["doctor"]) == 1
    assert "jax                   missing       install it\n" in capsys.readouterr().out
    monkeypatch.setattr(installation, "packages", lambda: missing[1:])
    assert commands.main(["doctor"]) == 0
