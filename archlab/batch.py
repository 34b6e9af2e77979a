"""The batch: the one thing that the data and the model both know.

A row holds several segments, one after another, and each position carries the edges of its own
segment. Who sees whom is then an interval for each position, picked by the architecture
(`model/visibility.py`), so packing needs no comparison of segment ids and the same batch feeds a
causal and a prefix decoder.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

Array = jax.Array | np.ndarray  # of the step, and of the host that fills it


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Stream:
    """What one stack reads, and where each position's segment lies in the row.

    Example, a row of two segments and one padding position, as a decoder reads it. The first
    segment has inputs `a b` and targets `c d`; the second has no inputs and targets `e f`:
      tokens_BL    0 a b c   0 e   0
      position_BL  0 1 2 3   0 1   0
      start_BL     0 0 0 0   4 4   0
      split_BL     3 3 3 3   4 4   0
      end_BL       4 4 4 4   6 6   0
    The first segment reads three positions (0, a, b) before its last input is known, so its
    inputs end at 3: position 2 reads b and predicts c.

    Args:
      tokens_BL: int32, what the stack reads; a decoder's are its targets moved right by one, with 0
        at the start of a segment.
      position_BL: int32, place within the segment, from 0.
      start_BL: int32, first position of the segment; 0 on padding.
      split_BL: int32, one past the last position that reads the segment's inputs; start_BL where
        there are none; 0 on padding.
      end_BL: int32, one past the last position of the segment; 0 on padding.
    """

    tokens_BL: Array
    position_BL: Array
    start_BL: Array
    split_BL: Array
    end_BL: Array


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Batch:
    """Rows of a step. Host code fills it with NumPy arrays, the step with JAX arrays.

    Those of NumPy are to be read only: two fields that say the same may be one array, and rows that
    are alike views of one row.

    Args:
      encoder: what the encoder reads; None for a decoder alone.
      decoder: what the decoder reads; None for an encoder alone.
      memory_start_BL: int32, for each decoder position the first encoder position it may read;
        None unless both stacks are there.
      memory_end_BL: int32, one past the last encoder position it may read; 0 on padding.
      target_BL: int32, what the last stack is to predict, position by position.
      weight_BL: float32, how much each prediction counts in the loss; 0 on padding and on inputs.
      objective_B: int32, which task of the stage's mixture a row is from.
    """

    encoder: Stream | None
    decoder: Stream | None
    memory_start_BL: Array | None
    memory_end_BL: Array | None
    target_BL: Array
    weight_BL: Array
    objective_B: Array


def abstract(kind: str, rows: int, inputs: int, targets: int) -> Batch:
    """Says what the arrays of a batch look like, without making them.

    Args:
      kind: "decoder", "encoder_decoder" or "encoder".
      rows: of the batch.
      inputs: tokens of a row that are given.
      targets: tokens of a row that are learnt.

    Returns:
      A `Batch` of shapes. An encoder-decoder has two streams, the others one of their sum.
    """

    def whole(length: int) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct((rows, length), jnp.int32)

    is_pair = kind == "encoder_decoder"
    last = targets if is_pair else inputs + targets
    memory = inputs if is_pair else last
    return Batch(
        encoder=None if kind == "decoder" else Stream(*[whole(memory)] * 5),
        decoder=None if kind == "encoder" else Stream(*[whole(last)] * 5),
        memory_start_BL=whole(last) if is_pair else None,
        memory_end_BL=whole(last) if is_pair else None,
        target_BL=whole(last),
        weight_BL=jax.ShapeDtypeStruct((rows, last), jnp.float32),
        objective_B=jax.ShapeDtypeStruct((rows,), jnp.int32),
    )


def padding(batch: Batch) -> jax.Array:
    """Counts the positions that hold no text.

    Args:
      batch: arrays.

    Returns:
      int32 scalar, positions of all streams whose segment is empty.
    """
    streams = [stream for stream in (batch.encoder, batch.decoder) if stream is not None]
    return sum(jnp.sum(stream.end_BL == 0, dtype=jnp.int32) for stream in streams)
