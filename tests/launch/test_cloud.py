"""Cloud TPUs are asked for until the run is done, and let go then."""

import subprocess

import pytest

from archlab import experiments
from archlab.launch import cloud
from archlab.launch.call import Job
from archlab.launch.cloud import CloudTPU
from tests.launch.test_call import NASTY, echoed

SCRIPT = experiments.home() / "experiments" / "launch" / "tpu.sh"
JOB = Job("mine", "quickstart", "/share/runs/x", secrets=("TOKEN",), starts=2)
GCLOUD = """
case $4 in
  list) answer state ;;
  ssh) exit "$(answer status)" ;;
esac
"""


def tpus(**more) -> CloudTPU:
    given = {"type": "v5litepod-16", "runtime": "v2", "zone": "us-west4-a", "image": "gcr.io/p/i"}
    return CloudTPU(**{**given, "share": "10.0.0.2:/share", **more})


@pytest.fixture
def run(fakes, monkeypatch):
    """Runs a job among answers of gcloud's: what came of it, its verbs, what was said."""
    monkeypatch.setattr(cloud, "PAUSE", 0.0)

    def run(states, statuses, **more):
        fakes.add("gcloud", GCLOUD, state=states, status=statuses)
        said = []
        status = tpus(**more).run(JOB, said.append, lambda: False)
        return status, [words[4] for words in fakes.calls() if words[4] != "list"], said

    return run


def test_what_is_taken_away_is_asked_for_again(run):
    status, verbs, said = run(
        ["", "", "WAITING_FOR_RESOURCES", "ACTIVE", "SUSPENDED", "SUSPENDED", "ACTIVE"],
        [255, 0],
        spot=True,
    )
    assert status == 0
    assert verbs == ["create", "scp", "ssh", "delete"] * 2
    assert "the request is waiting for resources" in said
    assert "the machines were taken away" in said and said[-1] == "the run is done"


def test_a_request_that_fails_again_and_again_is_given_up(run, fakes):
    with pytest.raises(ValueError, match="describe mine --zone=us-west4-a says why"):
        run(["", "FAILED"], [])
    verbs = [words[4] for words in fakes.calls() if words[4] != "list"]
    assert verbs == ["create", *["delete", "create"] * JOB.starts]


def test_a_run_that_fails_for_good_leaves_the_machines(run):
    status, verbs, said = run(["ACTIVE"], [2])
    assert status == 2 and verbs == ["scp", "ssh"]
    assert "ended with status 2; the machines stay until --cleanup" in said


def test_a_run_that_loses_a_process_starts_again_so_often(run):
    status, verbs, _ = run(["ACTIVE"], [75])
    assert status == 75 and verbs == ["scp", "ssh"] * 2


def test_slices_start_together_and_the_worst_counts(run, fakes):
    status, verbs, _ = run(["ACTIVE"], [2], slices=2)
    assert status == 2 and verbs == ["scp", "scp", "ssh", "ssh"]
    nodes = [words[5] for words in fakes.calls() if words[4] == "ssh"]
    assert sorted(nodes) == ["mine-0", "mine-1"]


def test_chips_are_counted_and_what_cannot_be_is_refused():
    assert tpus().chips == ("v5e", 16)
    assert tpus(type="v5p-512", slices=2).chips == ("v5p", 512)
    assert tpus(type="v4-512").chips == ("v4", 256)
    with pytest.raises(ValueError, match="the kinds are v4-…, v5litepod-…"):
        tpus(type="v5e-16")
    with pytest.raises(ValueError, match="CloudTPU.share names one that stays"):
        tpus(spot=True, share="")
    with pytest.raises(ValueError, match="CloudTPU.slices=0"):
        tpus(slices=0)
    with pytest.raises(ValueError, match="CloudTPU.type='v4-1' is half a chip"):
        tpus(type="v4-1")
    with pytest.raises(ValueError, match="CloudTPU.zone='-x'"):
        tpus(zone="-x")


def test_a_host_runs_the_words_in_a_container_and_no_secret_is_a_word(fakes):
    """What ssh would do there, with all of the host's programs faked."""
    fakes.add("sudo", 'while [[ $1 == -* ]]; do shift; done; "$@"')
    fakes.add("docker", '[[ $1 != run ]] || echo "$TOKEN" >"$FAKES/token"')
    fakes.add("gcloud", "[[ $1 != secrets ]] || echo hunter2")
    fakes.add("mountpoint", "exit 1")
    for name in ("mount", "mount.nfs", "mkdir", "systemctl"):
        fakes.add(name)
    job = Job("mine", "quickstart", "/share/runs/x", tuple(NASTY), ("TOKEN",))
    said = tpus().launched(job)[-1].words[-1].removeprefix("--command=")
    subprocess.run(["bash", "-c", said], cwd=SCRIPT.parent, check=True)
    called = fakes.calls()
    words = next(words for words in called if words[:2] == ["docker", "run"])
    own = words.index("gcr.io/p/i")
    assert words[own + 1 :] == [*("archlab", "train", "quickstart", "--out=/share/runs/x"), *NASTY]
    assert words[own - 2 : own] == ["--env", "TOKEN"] and "/share:/share" in words
    assert ["mount", "-t", "nfs", "--", "10.0.0.2:/share", "/share"] in called
    assert ["docker", "stop", "--time", "300", "mine"] in called
    assert (fakes.folder / "token").read_text() == "hunter2\n"
    assert not any("hunter2" in word for words in called for word in words)


def test_what_ssh_takes_as_a_line_is_the_same_words():
    job = Job("mine", "quickstart", "/o ut", tuple(NASTY))
    said = tpus().launched(job)[-1].words[-1].removeprefix("--command=")
    assert echoed(f"bash() {{ printf '%s\\0' \"$@\"; }}; {said}")[-len(NASTY) :] == NASTY
