import dataclasses
import errno
import functools
import json
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from archlab.architecture import Architecture
from archlab.ledger import Flops, Ledger
from archlab.mesh import Mesh
from archlab.model.transformer import Transformer
from archlab.size import Size
from archlab.train import bits, step
from archlab.train import state as states
from archlab.train.checkpoint import Checkpoints
from archlab.train.meter import Losses, Meter
from archlab.train.optimizer import Optimizer
from archlab.train.position import Position

SIZE = Size(layers=2, embed=16, mlp=24, heads=4, kv=6, vocab=40)
ROOT = Path(__file__).parent.parent.parent


@functools.cache
def state(number: int = 0, data: int = 2, model: int = 4):
    """A state that stands at a step, and is unlike those of other steps; and its shapes."""
    mesh = Mesh(data, model).build(jax.devices()[: data * model])
    network = step.on(mesh, Transformer(SIZE, Architecture("causal_decoder")))
    parts = (network, Optimizer(), mesh)
    first = states.first(*parts, number)
    at = jax.device_put(np.int32(number), first.step.sharding)
    return dataclasses.replace(first, step=at), states.shapes(*parts)


def position(number: int) -> Position:
    losses = Losses({"spans": 2.5 / 7}, {"spans": 12.0}, 0.1, 3.0)
    ledger = Ledger(Flops(10**18, 2, 3), 99, 512, 480.5, 7, 12.25)
    return Position(number, 0, number, Meter(ledger, losses, 0.5, 1e-3, validated=2.75))


def saved(checkpoints: Checkpoints, *numbers: int) -> None:
    for number in numbers:
        checkpoints.save(state(number)[0], position(number))


def steps(folder: Path) -> list[int]:
    with closing(Checkpoints(folder)) as checkpoints:
        return checkpoints.steps()


def assert_equal(one, other):
    jax.tree.map(np.testing.assert_array_equal, jax.device_get(one), jax.device_get(other))


@pytest.fixture(scope="module")
def untouched(tmp_path_factory):
    """Checkpoints 1, 2 and 3, closed."""
    folder = tmp_path_factory.mktemp("kept") / "checkpoints"
    with closing(Checkpoints(folder, keep=3)) as checkpoints:
        saved(checkpoints, 1, 2, 3)
    return folder


@pytest.fixture
def three(untouched, tmp_path):
    """The same, a test's own."""
    return shutil.copytree(untouched, tmp_path / "checkpoints")


def test_what_is_read_is_what_was_saved_on_any_mesh(three):
    with closing(Checkpoints(three)) as checkpoints:
        assert checkpoints.steps() == [1, 2, 3]
        for data, model in [(2, 4), (8, 1), (1, 1)]:
            shapes = state(0, data, model)[1]
            found = checkpoints.restore(2, shapes)
            assert_equal(found, state(2)[0])
            alone = checkpoints.weights(2, shapes.weights)
            assert_equal(alone, found.weights)
            for weights in (found.weights, alone):
                split = weights["embedding"]["table_VD"].sharding.device_set
                assert len(split) == data * model
        found = checkpoints.position(3)
        assert dataclasses.replace(found, bit_sums={}) == position(3)


def test_only_the_latest_stay(tmp_path):
    with closing(Checkpoints(tmp_path / "checkpoints", keep=2)) as checkpoints:
        saved(checkpoints, 1, 2, 3, 4)
    assert steps(tmp_path / "checkpoints") == [3, 4]


def test_a_state_that_is_used_up_at_once_is_saved_as_it_was(tmp_path):
    first = jax.tree.map(jnp.copy, state(5)[0])
    before = jax.device_get(first)
    spoil = jax.jit(lambda tree: jax.tree.map(lambda leaf: leaf * 0 + 7, tree), donate_argnums=0)
    with closing(Checkpoints(tmp_path / "checkpoints", keep=3)) as checkpoints:
        checkpoints.save(first, position(5))
        spoil(first)
    with closing(Checkpoints(tmp_path / "checkpoints")) as checkpoints:
        assert_equal(checkpoints.restore(5, state()[1]), before)


def test_weights_without_moments_are_kept_alone(tmp_path):
    whole, shapes = state(6)
    with closing(Checkpoints(tmp_path / "checkpoints", keep=3)) as checkpoints:
        checkpoints.save(dataclasses.replace(whole, moments=None), position(6))
    with closing(Checkpoints(tmp_path / "checkpoints")) as checkpoints:
        assert_equal(checkpoints.weights(6, shapes.weights), whole.weights)
        with pytest.raises(ValueError, match="checkpoints/6 is damaged"):
            checkpoints.restore(6, shapes)


def contents(folder: Path) -> dict:
    return {path: path.stat().st_mtime_ns for path in sorted(folder.rglob("*"))}


def test_who_only_reads_leaves_everything_as_it_is(three, tmp_path):
    half = three / "4.orbax-checkpoint-tmp"  # what a run that is saving has on disk
    (half / "weights.orbax-checkpoint-tmp").mkdir(parents=True)
    before = contents(tmp_path)
    with closing(Checkpoints(three)) as checkpoints:
        assert checkpoints.steps() == [1, 2, 3]
        checkpoints.restore(3, state()[1])
    assert contents(tmp_path) == before
    assert steps(tmp_path / "none") == [] and not (tmp_path / "none").exists()
    with closing(Checkpoints(three, keep=3)) as checkpoints:
        saved(checkpoints, 5)
    assert not half.exists() and steps(three) == [2, 3, 5]


def halved(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 16]) + content[middle + 1 :]


@pytest.mark.parametrize("damage", [halved, flipped])
def test_damage_to_any_file_is_noticed_or_does_no_harm(three, damage):
    expected, shapes = state(3)[0], state(0, 1, 1)[1]  # onto one device, which is quickest
    files = [path for path in (three / "3").rglob("*") if path.is_file() and path.stat().st_size]
    noticed = []
    for path in files:
        whole = path.read_bytes()
        path.write_bytes(damage(whole))
        with closing(Checkpoints(three)) as checkpoints:
            try:
                assert_equal(checkpoints.restore(3, shapes), expected)
            except ValueError as error:
                assert "checkpoints/3 is damaged: " in str(error)
                assert "; --resume-from 2 goes back to the one before" in str(error)
                assert len(str(error)) < 300 + len(str(three))
                noticed.append(path)
        path.write_bytes(whole)
    for item in ("weights", "moments"):
        data = max((three / "3" / item / "d").iterdir(), key=lambda path: path.stat().st_size)
        assert data in noticed
    assert three / "3/position/metadata" in noticed
    with closing(Checkpoints(three)) as checkpoints:
        assert_equal(checkpoints.restore(2, shapes), state(2)[0])


def bent(content: bytes):
    """Every way to flip one bit."""
    for place in range(len(content)):
        for bit in range(8):
            yield content[:place] + bytes([content[place] ^ 1 << bit]) + content[place + 1 :]


def test_any_flipped_bit_of_a_position_is_noticed_or_does_no_harm():
    whole = dataclasses.replace(position(3), bit_sums={"weights/table_VD": 7, "moments/0": 2**31})
    text = json.dumps(whole.as_dict())
    assert Position.restored(json.loads(text)) == whole
    noticed = 0
    for damaged in bent(text.encode()):
        try:
            found = Position.restored(json.loads(damaged))
        except ValueError:
            noticed += 1
        else:
            assert found == whole
    assert noticed > 0.99 * 8 * len(text)


def test_a_flipped_bit_of_a_position_s_file_offers_the_checkpoint_before(three):
    path = three / "3/position/metadata"
    whole = path.read_bytes()
    with closing(Checkpoints(three, flag="--step")) as checkpoints:
        expected = checkpoints.position(3)
        for damaged in list(bent(whole))[::97]:
            path.write_bytes(damaged)
            try:
                assert checkpoints.position(3) == expected
            except ValueError as error:
                assert str(error).endswith("; --step 2 goes back to the one before")
        for stranger in (b"[1]", b"{}", b"7", b'{"sha256": 1}'):
            path.write_bytes(stranger)
            with pytest.raises(ValueError, match="3 is damaged: .*; --step 2 goes back"):
                checkpoints.position(3)
        path.write_bytes((three / "2/position/metadata").read_bytes())
        with pytest.raises(ValueError, match="its position is that of checkpoint 2; --step 2"):
            checkpoints.position(3)


def test_a_changed_value_is_noticed_and_its_array_named(tmp_path):
    first, shapes = state(1)
    with closing(Checkpoints(tmp_path / "checkpoints", keep=3)) as checkpoints:
        checkpoints._sums = lambda tree: {
            name: value + (name == "weights/embedding/table_VD")
            for name, value in bits.sums(tree).items()
        }
        checkpoints.save(first, position(1))
    said = "weights/embedding/table_VD is not what was saved; there is none before it"
    with closing(Checkpoints(tmp_path / "checkpoints")) as checkpoints:
        with pytest.raises(ValueError, match=said):
            checkpoints.restore(1, shapes)
        with pytest.raises(ValueError, match=said):
            checkpoints.weights(1, shapes.weights)


NO_DAMAGE = [
    MemoryError(),
    PermissionError(errno.EACCES, "Permission denied"),
    OSError(errno.ENOSPC, "No space left on device"),
    jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes"),
]


@pytest.mark.parametrize("error", NO_DAMAGE, ids=lambda error: type(error).__name__)
def test_what_the_machine_lacks_is_no_damage(three, monkeypatch, error):
    def fail(*_, **__):
        raise error

    with closing(Checkpoints(three)) as checkpoints:
        monkeypatch.setattr(checkpoints._manager, "restore", fail)
        with pytest.raises(type(error)) as caught:
            checkpoints.position(3)
        assert caught.value is error


def test_what_another_package_says_is_cut_to_a_line(three, monkeypatch):
    def fail(*_, **__):
        raise KeyError("x" * 2000)

    with closing(Checkpoints(three)) as checkpoints:
        monkeypatch.setattr(checkpoints._manager, "restore", fail)
        with pytest.raises(ValueError, match=r"is damaged: 'x{149}…; --resume-from 2"):
            checkpoints.position(3)


READ = """
import gc
import sys
import time
from pathlib import Path
import jax
from archlab.train.checkpoint import Checkpoints
from tests.train import test_checkpoint
try:
    Checkpoints(Path(sys.argv[1])).restore(3, test_checkpoint.state(0, 1, 1)[1])
except ValueError as error:
    print(error)
gc.collect()
time.sleep(0.3)  # for whoever answers late
"""


def test_reads_that_are_given_up_are_given_up_quietly(three):
    shapes = three / "3/moments/array_metadatas/process_0"  # read while the arrays are
    shapes.write_bytes(halved(shapes.read_bytes()))
    command = [sys.executable, "-c", READ, str(three)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.count("\n") == 1 and "checkpoints/3 is damaged" in done.stdout
    assert done.stderr == ""


def test_going_back_deletes_nothing_until_something_newer_is_saved(three):
    with closing(Checkpoints(three, keep=3)) as checkpoints:
        checkpoints.go_back(1)
    assert steps(three) == [1, 2, 3]
    other = dataclasses.replace(state(9)[0], step=state(2)[0].step)
    with closing(Checkpoints(three, keep=3)) as checkpoints:
        checkpoints.go_back(1)
        checkpoints.save(other, position(2))
    assert steps(three) == [1, 2]
    with closing(Checkpoints(three, keep=3)) as checkpoints:
        assert_equal(checkpoints.restore(2, state()[1]), other)
        saved(checkpoints, 3, 4)
    assert steps(three) == [2, 3, 4]


def test_what_a_run_went_back_behind_does_not_count_among_the_latest(three):
    with closing(Checkpoints(three, keep=1)) as checkpoints:
        checkpoints.go_back(1)
        saved(checkpoints, 2)
    assert steps(three) == [2]


def test_a_checkpoint_that_is_not_there_is_refused_with_those_that_are(three):
    said = r"holds no checkpoint 7; it holds \[1, 2, 3\]"
    with closing(Checkpoints(three)) as checkpoints:
        with pytest.raises(ValueError, match=said):
            checkpoints.restore(7, state()[1])
