"""A cluster is asked for a JobSet, whose words are those of the run."""

import json
import re

import pytest

from archlab.launch.call import Job
from archlab.launch.jobset import JobSet
from tests.launch.test_call import NASTY

JOB = Job("mine", "quickstart", "/share/runs/x", tuple(NASTY))


def jobset(**more) -> JobSet:
    given = {"kind": "v5e", "topology": "16x16", "image": "gcr.io/p/i", "claim": "disk"}
    return JobSet(**{**given, **more})


def expanded(word: str, variables: dict[str, str]) -> str:
    """What Kubernetes makes of a word of a command, as its documentation has it."""
    form = re.compile(r"\$\$|\$\(([A-Za-z_]\w*)\)")
    return form.sub(lambda found: variables.get(found[1], found[0]) if found[1] else "$", word)


def test_kubectl_gets_a_jobset_with_the_words(fakes):
    fakes.add("kubectl", 'cat >"$FAKES/manifest"')
    place = jobset(slices=2, spot=True, restarts=5, namespace="ours", context="far")
    assert place.run(JOB, print, lambda: False) == 0
    assert fakes.calls() == [
        ["kubectl", "--context=far", "--namespace=ours", "apply", "--filename=-"]
    ]
    made = json.loads((fakes.folder / "manifest").read_text())
    assert (made["kind"], made["metadata"]["name"]) == ("JobSet", "mine")
    policy = made["spec"]["failurePolicy"]
    assert policy["maxRestarts"] == 5 and policy["rules"][0]["action"] == "FailJobSet"
    (slices,) = made["spec"]["replicatedJobs"]
    job = slices["template"]["spec"]
    # 256 chips, four to a host.
    assert (slices["replicas"], job["parallelism"], job["completions"]) == (2, 64, 64)
    (rule,) = job["podFailurePolicy"]["rules"]
    assert rule["onExitCodes"]["values"] == [1, 2]
    pod = job["template"]["spec"]
    assert pod["restartPolicy"] == "Never" and set(pod["nodeSelector"].values()) == {
        *("tpu-v5-lite-podslice", "16x16", "true")
    }
    (container,) = pod["containers"]
    words = [expanded(word, {"HOME": "x", "x": "y"}) for word in container["command"]]
    assert words == list(JOB.command("archlab"))
    assert container["resources"]["limits"] == {"google.com/tpu": "4"}


def test_what_looks_like_a_variable_stays_a_word():
    for word in ("$(HOME)", "$$", "$", "a$(x)b$$(y)", "\\$(x)"):
        job = Job("mine", "quickstart", "out", (word,))
        jobs = jobset().manifest(job)["spec"]["replicatedJobs"][0]["template"]["spec"]
        written = jobs["template"]["spec"]["containers"][0]["command"][-1]
        assert expanded(written, {"HOME": "h", "x": "1", "y": "2"}) == word


def test_secrets_are_of_the_cluster():
    job = Job("mine", "quickstart", "out", secrets=("TOKEN",))
    text = jobset(secret="ours").launched(job)[0].text
    assert '"secretKeyRef": {' in text and '"key": "TOKEN"' in text and '"name": "ours"' in text


def test_logs_are_followed_and_jobsets_deleted(fakes):
    fakes.add("kubectl")
    for call in [*jobset().followed(JOB), *jobset().cleaned(JOB)]:
        call.run()
    wait, logs, deleted = fakes.calls()
    assert wait[1:3] == ["wait", "jobset/mine"] and wait[3].endswith(".ready}=1")
    assert {"logs", "--follow", "--selector=jobset.sigs.k8s.io/jobset-name=mine"} < set(logs)
    assert deleted == ["kubectl", "delete", "jobset", "mine", "--ignore-not-found"]


@pytest.mark.parametrize(
    "more, said",
    [
        ({"kind": "v5x"}, "is not one of v4, v5e, v5p, v6e"),
        ({"topology": "256"}, "it is written as 16x16"),
        ({"slices": 0}, "JobSet.slices=0; it is 1 or more"),
        ({"restarts": -1}, "JobSet.restarts=-1; it is 0 or more"),
        ({"claim": ""}, "JobSet.claim=''"),
        ({"namespace": "-x"}, "JobSet.namespace='-x'"),
    ],
)
def test_what_cannot_be_is_refused(more, said):
    with pytest.raises(ValueError, match=said):
        jobset(**more)


def test_chips_are_counted():
    assert jobset(kind="v5p", topology="4x8x8", slices=2).chips == ("v5p", 512)
    assert (
        jobset(topology="1x1").manifest(JOB)["spec"]["replicatedJobs"][0]["template"]["spec"][
            "completions"
        ]
        == 1
    )
