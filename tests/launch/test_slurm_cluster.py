"""A run goes through a cluster of one node, which Debian's Slurm makes here."""

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from archlab import experiments, record
from tests import corpus, xla

SBIN = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
# A node is called what every machine finds, since the run looks for its first node by that name.
DAEMONS = {"slurmctld": (), "slurmd": ("-N", "localhost")}
STEPS = 60
FORM = """
ClusterName=one
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
StateSaveLocation={home}/state
SlurmdSpoolDir={home}/spool
SlurmctldPidFile={home}/slurmctld.pid
SlurmdPidFile={home}/slurmd.pid
AuthType=auth/none
CredType=cred/none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SlurmdParameters=config_overrides
NodeName=localhost NodeHostname={host} NodeAddr=127.0.0.1 CPUs=4 State=UNKNOWN
PartitionName=all Nodes=localhost Default=YES State=UP
"""


def asked(*words: str) -> str:
    """What one of Slurm's programs says."""
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.strip()


def until(what, seconds: float = 120):
    """Waits until something is so."""
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, "nothing came of it"
        time.sleep(0.1)
    return found


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """Slurm's daemons, in the foreground, so that they end with the test."""
    monkeypatch.setenv("PATH", SBIN)
    missing = [name for name in (*DAEMONS, "sbatch") if shutil.which(name) is None]
    if missing or os.getuid():
        pytest.skip(f"Slurm's {missing} are not here" if missing else "slurmd needs root")
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(2)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        ports = [one.getsockname()[1] for one in sockets]
    for name in ("state", "spool"):
        (tmp_path / name).mkdir()
    host, conf = socket.gethostname().split(".")[0], tmp_path / "slurm.conf"
    conf.write_text(FORM.format(host=host, ports=ports, home=tmp_path))
    monkeypatch.setenv("SLURM_CONF", str(conf))
    started = []
    try:
        for name, own in DAEMONS.items():
            with open(tmp_path / f"{name}.log", "w") as log:
                words = [name, "-D", *own, "-f", str(conf)]
                started.append(subprocess.Popen(words, stdout=log, stderr=log))
        until(lambda: "idle" in subprocess.run(["sinfo"], capture_output=True, text=True).stdout)
        yield host
        asked("scancel", "--user=root")
    finally:
        for daemon in reversed(started):
            daemon.terminate()
            daemon.wait(60)


def test_a_run_that_is_told_to_stop_is_asked_for_again_and_ends_whole(cluster, tmp_path):
    texts, out = corpus.encoded(tmp_path / "texts"), tmp_path / "run"
    said = {
        "Slurm.nodes": 1,
        "Stage.mixture": "folder_causal_lm",
        "Stage.tokens": STEPS * 8 * 128,
        "Schedule.warmup": 2,
        "Run.record_every": 1,
        "Data.folder": texts,
    }
    program = [sys.executable, "-m", "archlab", "launch", "smoke_causal_decoder", "--on=slurm_cpu"]
    program += [f"--out={out}", "--set=Run.data=@Data()"]
    program += [f"--set={name}={value}" for name, value in said.items()]
    own = {**os.environ, "PYTHONPATH": str(experiments.home()), "XLA_FLAGS": xla.flags()}

    def launch(*words: str) -> str:
        how = {"cwd": tmp_path, "env": own, "text": True, "capture_output": True}
        return subprocess.run([*program, *words], check=True, **how).stdout

    def steps() -> list[int]:
        path = Path(out, "metrics.jsonl")
        whole = path.read_text().split("\n")[:-1] if path.exists() else []
        return [line["step"] for line in map(json.loads, whole) if line["kind"] == "train"]

    job = re.search(r"Submitted batch job (\d+)", launch())[1]
    until(steps)
    asked("scancel", "--signal=TERM", job)
    until(lambda: asked("squeue", "--noheader", "--format=%T", f"--jobs={job}") == "PENDING")
    stood = steps()
    assert 0 < len(stood) < STEPS

    launch("--name=other", f"--out={tmp_path / 'other'}")
    until(lambda: "other" in asked("squeue", "--noheader", "--format=%j"))
    launch("--name=other", "--cleanup")
    until(lambda: "other" not in asked("squeue", "--noheader", "--format=%j"))

    asked("scontrol", "update", f"JobId={job}", "StartTime=now")
    until(lambda: not asked("squeue", "--noheader"))
    assert steps() == list(range(1, STEPS + 1))
    assert record.read(out / "metrics.jsonl")[-1]["kind"] == "end"
    told = (tmp_path / "smoke-causal-decoder.log").read_text()
    assert "ended with status 75; asked for again, 0 of 100" in told
    assert f"at checkpoint {stood[-1]}:" in told and f"trained {out}" in told
