"""xpk is asked for a workload, whose line is the words of the run."""

import pytest

from archlab.launch.call import Job
from archlab.launch.xpk import Xpk
from tests.launch.test_call import NASTY, echoed

JOB = Job("mine", "quickstart", "/share/runs/x", tuple(NASTY))


def xpk(**more) -> Xpk:
    given = {"cluster": "ours", "type": "v5litepod-256", "image": "gcr.io/p/i", "zone": "us-a"}
    return Xpk(**{**given, **more})


def test_xpk_gets_a_workload_whose_line_is_the_same_words(fakes):
    fakes.add("xpk")
    place = xpk(slices=2, project="p")
    assert place.run(JOB, print, lambda: False) == 0
    for call in place.cleaned(JOB):
        call.run()
    made, deleted = fakes.calls()
    assert made[:4] == ["xpk", "workload", "create", "--workload=mine"]
    assert {"--num-slices=2", "--max-restarts=100", "--project=p"} < set(made)
    line = made[-1].removeprefix("--command=")
    said = echoed(f"archlab() {{ printf '%s\\0' \"$@\"; }}; {line}")
    assert said == list(JOB.command("archlab"))[1:]
    assert deleted[2:4] == ["delete", "--workload=mine"] and deleted[-1] == "--force"


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="a JobSet takes them from a secret"):
        xpk().launched(Job("mine", "quickstart", "out", secrets=("TOKEN",)))
    with pytest.raises(ValueError, match="Xpk.slices=0; it is 1 or more"):
        xpk(slices=0)
    with pytest.raises(ValueError, match="Xpk.cluster=''"):
        xpk(cluster="")


def test_its_pods_are_followed_by_kubectl():
    wait, logs = xpk(slices=2).followed(JOB)
    assert wait.words[3].endswith(".ready}=2") and "--follow" in logs.words
    assert xpk().out("x") == "/share/runs/x"
