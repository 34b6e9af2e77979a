"""Machines of one's own: a run outlives its connection, and this machine is stayed with."""

import subprocess
import sys
import time

import pytest

from archlab.launch import hosts
from archlab.launch.call import Call, Job
from archlab.launch.hosts import Hosts, Local
from tests.launch.test_call import NASTY, echoed


@pytest.fixture
def far(fakes):
    """Two hosts, whose shells are this machine's, each in a folder of its own."""
    fakes.add("ssh", 'mkdir -p "$FAKES/${*: -2:1}" && cd "$FAKES/${*: -2:1}" && bash -c "${*: -1}"')
    return Hosts(("one", "me@two"), folder=".", program="mine")


def wait(is_there) -> None:
    until = time.monotonic() + 60
    while not is_there():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_run_outlives_its_connection_starts_again_and_is_stopped_saved(far, fakes):
    fakes.add(
        "mine",
        """[[ $(answer status) == 75 ]] && exit 75
trap 'echo saved; exit 75' TERM
echo stays
while true; do sleep 0.05; done""",
        status=[75, 75, 0],
    )
    job = Job("mine", "quickstart", "runs/x", tuple(NASTY), starts=9)
    assert far.run(job, print, lambda: False) == 0
    logs = [fakes.folder / name / "mine.log" for name in ("one", "me@two")]
    wait(lambda: all(log.exists() and "stays" in log.read_text() for log in logs))
    said = [words[1:] for words in fakes.calls() if words[0] == "mine"]
    assert len(said) > 2 and said[0][: 3 + len(NASTY)] == list(job.command("mine"))[1:]
    assert {tuple(words[-3:]) for words in said} == {
        ("--coordinator=one:8476", "--processes=2", f"--process={number}") for number in (0, 1)
    }
    with pytest.raises(ValueError, match="ssh ended with status 1"):  # it runs already
        far.launched(job)[0].run()
    for call in far.cleaned(job):
        call.run()
    assert all(log.read_text().endswith("saved\n") for log in logs)
    assert not (fakes.folder / "one" / "mine.pid").exists()


def test_what_does_not_start_everywhere_starts_nowhere(fakes):
    fakes.add("ssh", '[[ ${*: -1} == *" start "* ]] && exit "$(answer status)"', status=[0, 255])
    with pytest.raises(ValueError, match="ssh ended with status 255"):
        Hosts(("one", "two", "three")).run(Job("mine", "quickstart", "out"), print, lambda: False)
    asked = [(words[-2], words[-1].split()[3]) for words in fakes.calls()]
    assert asked == [("one", "start"), ("two", "start"), ("one", "stop")]


def test_what_ssh_takes_as_a_line_is_the_same_words_and_secrets_are_sent_by_name(monkeypatch):
    monkeypatch.setenv("TOKEN", "hunter2")
    job = Job("mine", "quickstart", "/o ut", tuple(NASTY), ("TOKEN",))
    (call,) = Hosts(("one",), folder="a 'b").launched(job)
    assert call.words[:5] == ("ssh", "-oBatchMode=yes", "-oSendEnv=TOKEN", "--", "one")
    said = echoed(f"bash() {{ printf '%s\\0' \"$@\"; }}; {call.words[-1]}")
    assert said[2:] == ["start", "mine", "a 'b", "3", *job.command(".venv/bin/archlab")]
    assert "hunter2" not in str(call)
    (follow,) = Hosts(("one",)).followed(job)
    assert follow.words[-1] == "bash -s -- follow mine archlab"


@pytest.mark.parametrize(
    "more, said",
    [
        ({"hosts": ()}, "it is one machine or more"),
        ({"hosts": ("one", "one")}, "each once"),
        ({"hosts": ("-oProxyCommand=x",)}, "a host is written as one"),
        ({"hosts": ("a;b",)}, "a host is written as one"),
        ({"hosts": ("one",), "folder": ""}, "Hosts.folder=''"),
        ({"hosts": ("one",), "port": 0}, "Hosts.port=0"),
    ],
)
def test_what_cannot_be_is_refused(more, said):
    with pytest.raises(ValueError, match=said):
        Hosts(**more)
    with pytest.raises(ValueError, match="Local.processes=0"):
        Local(0)
    with pytest.raises(ValueError, match="Local.port=-1"):
        Local(port=-1)


def test_one_process_needs_no_other():
    job = Job("mine", "quickstart", "out")
    (call,) = Local(1).launched(job)
    assert call.words == (sys.executable, "-m", "archlab", *job.command())
    meets = {call.words[-3] for call in Local(3).launched(job)}
    assert len(meets) == 1 and meets.pop().startswith("--coordinator=localhost:")


@pytest.fixture
def stays(monkeypatch):
    """What stands for the processes of a local run: lines of bash, with their number in $1."""
    monkeypatch.setattr(hosts, "LOOK", 0.01)

    def stays(body, job, stop=lambda: False):
        calls = [Call(("bash", "-c", body, "mine", str(number))) for number in (0, 1)]
        monkeypatch.setattr(Local, "launched", lambda self, job: calls)
        said = []
        return Local(2).run(job, said.append, stop), said

    return stays


def test_a_local_run_starts_again_where_that_may_help(stays, tmp_path):
    job = Job("mine", "quickstart", "out", starts=3)
    twice = f'cd {tmp_path}; echo x >>"$1"; [[ $(wc -l <"$1") == 2 ]] || exit 75'
    assert stays(twice, job) == (0, ["ended with status 75; starts again, 2 left"])
    assert stays("exit 2", job) == (2, [])
    status, said = stays("kill -KILL $$", job)
    assert status == 137 and len(said) == 2


def test_who_stops_a_local_run_stops_each_process_once(stays, tmp_path):
    body = f"""cd {tmp_path}
trap 'echo saved >>"$1"; sleep 0.2; exit 75' TERM
touch "$1"
while true; do sleep 0.02; done"""

    def stop():
        return all((tmp_path / name).exists() for name in "01")

    assert stays(body, Job("mine", "quickstart", "out"), stop) == (75, [])
    assert [(tmp_path / name).read_text() for name in "01"] == ["saved\n"] * 2


def test_the_processes_hear_no_ctrl_c_of_the_terminal():
    session = "import os; raise SystemExit(os.getsid(0) != os.getpid())"
    process = Call((sys.executable, "-c", session)).begin(own_session=True)
    assert process.wait() == 0
    assert subprocess.run([sys.executable, "-c", session], check=False).returncode == 1
