"""Of processes that ran together, the failure that would come again counts."""

import dataclasses

import pytest

from archlab.launch.call import Call, Job
from archlab.launch.machines import Machines, worst


@pytest.mark.parametrize(
    "statuses, one", [([0], 0), ([0, 75], 75), ([75, 2, 0], 2), ([-2], 130), ([134, 1], 1)]
)
def test_the_worst_of_several(statuses, one):
    assert worst(statuses) == one


def test_calls_follow_one_another_until_one_fails(fakes):
    fakes.add("gcloud", 'exit "$(answer status)"', status=[0, 4])

    @dataclasses.dataclass(frozen=True)
    class Three(Machines):
        def launched(self, job: Job) -> list[Call]:
            return [Call(("gcloud", word)) for word in (job.name, "two", "three")]

    with pytest.raises(ValueError, match="status 4: gcloud two"):
        Three().run(Job("one", "quickstart", "out"), print, lambda: False)
    assert [words[1] for words in fakes.calls()] == ["one", "two"]
    assert Three().out("x") == "runs/x" and Three().chips == ("", 0)
    assert Three().followed(None) == Three().cleaned(None) == []
