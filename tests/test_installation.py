"""What is missing on a machine is named, with what installs it."""

import importlib.metadata
import sys

import jax
import pytest
from packaging.requirements import Requirement

from archlab import installation
from archlab.installation import Finding


def test_what_is_required_is_found_with_its_version():
    found = {one.name: one for one in installation.packages()}
    required = [Requirement(one) for one in importlib.metadata.requires("archlab")]
    own = {one.name for one in required if not one.marker}
    assert own <= set(found) and {"python", "archlab"} == set(found) - own
    for name in own:
        assert found[name].found == importlib.metadata.version(name) and not found[name].remedy


@pytest.mark.parametrize(
    "requirement",
    ["numpy>=1", "numpy>=999", "numpy<1", "numpy>=1,<999", "numpy<999", "numpy>=2.0.1"],
)
def test_a_version_is_right_where_packaging_says_so(requirement, monkeypatch):
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: [requirement])
    found = installation.packages()[-1]
    is_right = Requirement(requirement).specifier.contains(found.found)
    assert bool(found.remedy) != is_right


def test_what_is_missing_is_named(monkeypatch):
    wanted = ["nowhere>=2", "other; extra == 'dev'"]
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: wanted)
    *_, missing = installation.packages()
    assert missing == Finding("nowhere", "", "`pip install 'nowhere>=2'` installs it", True)
    *_, missing = installation.packages("nowhere")
    assert missing.remedy == "`make install` installs it"
    monkeypatch.setattr(sys, "version_info", (3, 9, 1))
    assert installation.packages()[0].remedy == "install Python 3.11 or later"


def test_devices_that_jax_does_not_see_are_named(monkeypatch, tmp_path):
    assert installation.devices() == [Finding("devices", "8 × cpu cpu")]
    (tmp_path / "nvidia0").touch()
    here = {"cuda": (f"{tmp_path}/nvidia[0-9]*",), "tpu": (f"{tmp_path}/accel*",)}
    monkeypatch.setattr(installation, "HERE", here)
    _, gpu = installation.devices()
    assert gpu.name == "gpu" and "`pip install 'archlab[cuda]'`" in gpu.remedy

    def fails():
        raise RuntimeError("no backend\nand more")

    monkeypatch.setattr(jax, "devices", fails)
    (none,) = installation.devices()
    assert none.remedy == "JAX starts on none of them: no backend" and none.is_needed


def test_programs_are_found_on_the_path(tmp_path, monkeypatch):
    (tmp_path / "ssh").write_text("")
    (tmp_path / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = {one.name: one for one in installation.programs()}
    assert found["ssh"] == Finding("ssh", str(tmp_path / "ssh"))
    assert found["xpk"].remedy == "`pip install xpk` installs it" and not found["xpk"].is_needed
