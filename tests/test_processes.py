import threading
import time

import jax
import numpy as np
import pytest

from archlab import processes
from archlab.mesh import Mesh
from archlab.refusal import Refusal


class Store:
    """The keys that processes share, for one process that plays several."""

    def __init__(self):
        self.keys = {}

    def key_value_set(self, key: str, value: str) -> None:
        assert key not in self.keys
        self.keys[key] = value

    def blocking_key_value_get(self, key: str, _: int) -> str:
        return self.keys[key]


@pytest.fixture
def play(monkeypatch):
    """Makes this process one of two, each with the same place in the program."""
    store = Store()

    def play(process: int) -> None:
        state = processes.distributed.global_state
        monkeypatch.setattr(state, "process_id", process)
        monkeypatch.setattr(state, "num_processes", 2)
        monkeypatch.setattr(state, "client", store)
        monkeypatch.setattr(processes, "_said", iter(range(9)))

    return play


def never():
    raise AssertionError("only the first does it")


def test_alone_it_does_everything_and_agrees_with_itself():
    assert processes.is_first() and processes.many() == 1
    assert processes.first(lambda: [1, "a"]) == [1, "a"]
    processes.same("settings", {"a": 1})
    processes.fail("no one hears", 1)
    assert processes.Agreed(lambda: True, Mesh().build())()


def test_what_the_first_did_all_hear(play):
    play(0)
    assert processes.first(lambda: {"loss": float("inf")}) == {"loss": float("inf")}
    play(1)
    assert processes.first(never) == {"loss": float("inf")}


def test_what_the_first_could_not_do_all_raise(play):
    def refuse():
        raise ValueError("the text is empty")

    play(0)
    with pytest.raises(ValueError, match="^the text is empty$"):
        processes.first(refuse)
    play(1)
    with pytest.raises(ValueError, match="^process 0: the text is empty$"):
        processes.first(never)


def test_processes_that_mean_something_else_are_refused(play):
    play(0)
    processes.same("settings", {"rows": (1, 2)})
    play(1)
    processes.same("settings", {"rows": [1, 2]})
    play(1)
    with pytest.raises(ValueError, match="process 1 has other settings than process 0"):
        processes.same("settings", {"rows": [1, 3]})


def test_all_stop_a_step_after_one_was_asked(play):
    asked, steps = [], []
    stop = processes.Agreed(lambda: bool(asked), Mesh().build())
    play(0)
    for step in range(5):
        if step == 2:
            asked.append(True)
        steps.append(stop())
    assert steps == [False, False, False, True, True]


def test_what_one_device_of_many_has_heard_is_enough(play, monkeypatch):
    play(0)
    stop = processes.Agreed(lambda: False, Mesh().build())
    make = jax.make_array_from_callback
    monkeypatch.setattr(
        jax,
        "make_array_from_callback",
        lambda shape, placed, _: make(shape, placed, lambda at: np.eye(8, dtype=np.int32)[5][at]),
    )
    assert [stop(), stop()] == [False, True]


@pytest.mark.parametrize(
    "given, said",
    [
        ({"processes": 2, "process": 0}, "--coordinator is not given"),
        ({"coordinator": "localhost:1", "processes": 2}, "--process is not given"),
        (
            {"coordinator": "localhost:1", "processes": 2, "process": 2},
            r"--process=2 of --processes=2; it is in \[0, 2\)",
        ),
    ],
)
def test_half_of_what_is_needed_to_join_is_refused(given, said):
    with pytest.raises(Refusal, match=said), processes.joined(**given):
        never()


@pytest.mark.parametrize(
    "given", [{}, {"coordinator": "localhost:1", "processes": 1, "process": 0}]
)
def test_where_there_are_no_others_nobody_is_waited_for(given):
    with processes.joined(**given):
        assert processes.many() == 1


def test_the_only_process_of_a_step_of_slurm_joins_nobody(monkeypatch):
    """JAX would, and at the end wait for itself to leave."""
    monkeypatch.setattr(processes.xla_bridge, "backends_are_initialized", lambda: False)
    monkeypatch.setattr(processes, "jax", None)  # nothing of which is needed by who is alone
    monkeypatch.setenv("SLURM_NTASKS", "1")
    with processes.joined():
        assert processes.many() == 1 and processes.is_first()
    monkeypatch.setenv("SLURM_NTASKS", "2")
    with pytest.raises(AttributeError, match="config"), processes.joined():
        pass


def test_whoever_waits_for_the_others_is_back_before_the_process_goes_on(monkeypatch):
    over, back = threading.Event(), []

    def heed():
        over.wait()
        time.sleep(0.05)
        back.append(True)

    monkeypatch.setattr(processes, "_join", lambda *given: True)
    monkeypatch.setattr(processes, "_heed", heed)
    monkeypatch.setattr(processes.jax.distributed, "shutdown", over.set)
    with processes.joined():
        assert not back
    assert back
