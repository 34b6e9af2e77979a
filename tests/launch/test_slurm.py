"""Slurm gets a batch job, whose script asks for it again where the run does."""

import subprocess

import pytest

from archlab import experiments
from archlab.launch.call import Job
from archlab.launch.slurm import Slurm
from tests.launch.test_call import NASTY

SCRIPT = experiments.home() / "experiments" / "launch" / "slurm.sh"
JOB = Job("mine", "quickstart", "runs/x", tuple(NASTY))


def test_sbatch_gets_the_words_and_scancel_the_name(fakes):
    fakes.add("sbatch")
    fakes.add("scancel")
    place = Slurm(nodes=4, gpus=8, chip="h100", partition="big", program="/opt/archlab", cpus=3)
    assert place.run(JOB, print, lambda: False) == 0
    for call in place.cleaned(JOB):
        call.run()
    words, ended = fakes.calls()
    options = set(words[1 : words.index(str(SCRIPT))])
    assert {"--nodes=4", "--ntasks-per-node=8", "--gpus-per-node=8", "--requeue"} < options
    assert {"--signal=TERM@300", "--partition=big", "--cpus-per-task=3"} < options
    assert words[words.index(str(SCRIPT)) + 1 :] == ["100", *JOB.command("/opt/archlab")]
    assert ended == ["scancel", "--me", "--name=mine"]
    assert place.chips == ("h100", 32) and "--ntasks-per-node=1" in Slurm().launched(JOB)[0].words
    assert place.followed(JOB)[0].words[-1] == "mine.log"


@pytest.mark.parametrize(
    "status, before, is_again",
    [(0, 0, False), (1, 0, False), (2, 0, False), (75, 0, True), (134, 2, True), (75, 3, False)],
)
def test_the_script_asks_for_the_job_again_where_the_run_does(
    status, before, is_again, fakes, monkeypatch
):
    fakes.add("srun", 'exit "$(answer status)"', status=[status])
    fakes.add("scontrol")
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    monkeypatch.setenv("SLURM_RESTART_COUNT", str(before))
    done = subprocess.run(["bash", SCRIPT, "3", *NASTY], capture_output=True, check=False)
    assert done.returncode == status
    run, *more = fakes.calls()
    assert run == ["srun", "--kill-on-bad-exit=1", *NASTY]
    assert more == ([["scontrol", "requeue", "17"]] if is_again else [])


def test_who_cancels_the_job_does_not_get_it_again(fakes, monkeypatch):
    fakes.add("srun", "kill -TERM $PPID; exit 75")
    fakes.add("scontrol")
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    assert subprocess.run(["bash", SCRIPT, "3", "x"], check=False).returncode == 143
    assert [words[0] for words in fakes.calls()] == ["srun"]


@pytest.mark.parametrize(
    "more, said",
    [
        ({"nodes": 0}, "Slurm.nodes=0; it is 1 or more"),
        ({"time": "1 day"}, "it is written as 24:00:00"),
        ({"partition": "-x"}, "Slurm.partition='-x'"),
    ],
)
def test_what_cannot_be_is_refused(more, said):
    with pytest.raises(ValueError, match=said):
        Slurm(**more)


def test_a_secret_is_a_variable_of_this_shell(monkeypatch):
    monkeypatch.delenv("TOKEN", raising=False)
    with pytest.raises(ValueError, match="TOKEN, which is not set here"):
        Slurm().launched(Job("mine", "quickstart", "out", secrets=("TOKEN",)))
