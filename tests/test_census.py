"""Counts of a compiled program, against programs whose collectives are known by construction."""

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from archlab.census import Traffic, arrays, census

TURNS, ROWS, WIDTH, DEVICES = 5, 64, 32, 8


@pytest.fixture(scope="module")
def mesh():
    return jax.make_mesh((DEVICES,), ("data",))


def text(mesh, function, *shapes):
    given = [
        jax.ShapeDtypeStruct(shape, jnp.float32, sharding=NamedSharding(mesh, spec))
        for shape, spec in shapes
    ]
    return jax.jit(function).lower(*given).compile().as_text()


def gathers(mesh, x, weights):
    """Gathers each layer's weight, in a loop."""

    def layer(x, weight):
        whole = jax.lax.with_sharding_constraint(weight, NamedSharding(mesh, PartitionSpec()))
        return jnp.tanh(x @ whole), None

    return jax.lax.scan(layer, x, weights)[0]


def test_what_stands_in_a_loop_counts_once_a_turn(mesh):
    rows = (ROWS, WIDTH), PartitionSpec("data")
    weights = (TURNS, WIDTH, WIDTH), PartitionSpec(None, "data")
    found = census(text(mesh, lambda x, w: gathers(mesh, x, w), rows, weights), {})
    assert found.within == {"all-gather": Traffic(TURNS, TURNS * WIDTH * WIDTH * 4)}
    assert not found.across and not found.open and not found.kernels


def reduces(mesh, x, turns):
    """Adds up over all devices, in a loop that turns as often as an array says."""

    def add(_, x):
        return jax.lax.psum(x, "data") * 0.1

    own = jax.shard_map(
        lambda x, turns: jax.lax.fori_loop(0, turns[0], add, x),
        mesh=mesh,
        in_specs=(PartitionSpec("data"), PartitionSpec()),
        out_specs=PartitionSpec("data"),
        check_vma=False,
    )
    with jax.named_scope("told"):
        return own(x, turns.astype(jnp.int32))


def test_a_loop_whose_end_is_read_turns_as_often_as_it_is_told(mesh):
    rows = (ROWS, WIDTH), PartitionSpec("data")
    program = text(mesh, lambda x, n: reduces(mesh, x, n), rows, ((1,), PartitionSpec()))
    each = ROWS // DEVICES * WIDTH * 4
    told = census(program, {"told": 7})
    assert told.within == {"all-reduce": Traffic(7, 7 * each)} and not told.open
    assert told.moved == 2 * 7 * each
    asked = census(program, {"another": 7})
    assert asked.within == {"all-reduce": Traffic(1, each)} and len(asked.open) == 1


# In the words that TPU's compiler prints, shortened; the numbers are those of the lines.
TPU = """HloModule jit_step, is_scheduled=true

%fused_begin (param_0: bf16[128,64]) -> (bf16[128,64], bf16[512,64]) {
  %all-gather.1 = bf16[512,64]{1,0:T(8,128)} all-gather(%param_0), channel_id=3, dimensions={0}
  ROOT %custom-call.1 = (bf16[128,64], bf16[512,64]) custom-call(%all-gather.1), custom_call_target="AsyncCollectiveStart"
}

%fused_end (param_1: bf16[128,64]) -> bf16[512,64] {
  ROOT %all-gather.2 = bf16[512,64]{1,0:T(8,128)} all-gather(%param_1), channel_id=3, dimensions={0}
}

%all-reduce-scatter.1 (input: f32[512,64]) -> f32[128,64] {
  %input = f32[512,64]{1,0:T(8,128)} parameter(0)
  %all-reduce.1 = f32[512,64]{1,0} all-reduce(%input), channel_id=4, to_apply=%add
  ROOT %dynamic-slice.1 = f32[128,64]{1,0} dynamic-slice(%all-reduce.1, %zero), dynamic_slice_sizes={128,64}
}

%body (param: (s32[], bf16[128,64])) -> (s32[], bf16[128,64]) {
  %param = (s32[], bf16[128,64]) parameter(0)
  %get-tuple-element.1 = bf16[128,64]{1,0} get-tuple-element(%param), index=1
  %fusion.1 = (bf16[128,64], bf16[512,64]) fusion(%get-tuple-element.1), kind=kCustom, calls=%fused_begin, backend_config={"window_config":{"estimated_cycles":"100"}}
  %fusion.2 = bf16[512,64]{1,0} fusion(%get-tuple-element.1), kind=kCustom, calls=%fused_end, metadata={op_name="jit(step)/decoder/mlp/dot_general"}, backend_config={"window_config":{"estimated_cycles":"40"}}
  %kernel.1 = f32[4,64]{1,0} custom-call(%fusion.2), custom_call_target="tpu_custom_call"
  %fusion.3 = f32[128,64]{1,0} fusion(%fusion.2), kind=kCustom, calls=%all-reduce-scatter.1
  %get-tuple-element.3 = s32[]{:T(128)} get-tuple-element(%param), index=0
  %constant.3 = s32[]{:T(128)} constant(2)
  %add.1 = s32[]{:T(128)} add(%get-tuple-element.3, %constant.3)
  ROOT %tuple.1 = (s32[], bf16[128,64]) tuple(%add.1, %get-tuple-element.1)
}

%condition (param.1: (s32[], bf16[128,64])) -> pred[] {
  %param.1 = (s32[], bf16[128,64]) parameter(0)
  %get-tuple-element.2 = s32[]{:T(128)} get-tuple-element(%param.1), index=0
  %constant.1 = s32[]{:T(128)} constant(13)
  ROOT %lt.1 = pred[]{:T(512)} compare(%get-tuple-element.2, %constant.1), direction=LT
}

ENTRY %main (param.2: bf16[128,64]) -> bf16[128,64] {
  %param.2 = bf16[128,64]{1,0} parameter(0)
  %constant.2 = s32[]{:T(128)} constant(1)
  %copy.2 = s32[]{:T(128)} copy(%constant.2), backend_config={"flag_configs":[]}
  %tuple.2 = (s32[], bf16[128,64]) tuple(%copy.2, %param.2)
  %while.1 = (s32[], bf16[128,64]) while(%tuple.2), condition=%condition, body=%body
  %send.1 = (f32[2,8]{1,0}, u32[], token[]) send(%copy.1, %after-all.1), channel_id=9, is_host_transfer=true, frontend_attributes={_xla_megascale_transfer_type="ALL_REDUCE"}
  ROOT %fusion.4 = bf16[128,64]{1,0} fusion(%while.1), kind=kLoop, calls=%loose, backend_config={"window_config":{"estimated_cycles":"7"}}
}

%loose (param_2: bf16[128,64]) -> bf16[128,64] {
  ROOT %param_2 = bf16[128,64]{1,0} parameter(0)
}
"""  # noqa: E501 - a line of it is a line of the program


def test_a_program_for_a_tpu():
    found = census(TPU, {})
    assert found.cycles == 6 * 140 + 7 and found.kernels == 6
    # The gather is cut into pieces of one channel; a sum of which a part is kept is scattered.
    assert found.within == {
        "all-gather": Traffic(6, 6 * 512 * 64 * 2),
        "reduce-scatter": Traffic(6, 6 * 512 * 64 * 4),
    }
    assert found.across == {"all-reduce": Traffic(1, 2 * 8 * 4)}
    assert found.moved == 6 * 512 * 64 * (2 + 4)


def test_arrays_are_named_by_what_writes_them_and_counted_once():
    found = arrays(TPU)
    assert found["bf16[512,64] decoder/mlp/dot_general"] == 512 * 64 * 2
    assert found["bf16[128,64] fusion"] == 128 * 64 * 2  # of two fusions
    assert found.most_common(1)[0][1] == 512 * 64 * 2
