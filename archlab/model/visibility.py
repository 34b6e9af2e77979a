"""Who sees whom: one interval of keys for each position.

Position q sees exactly the keys in [start[q], end[q]). Every visibility is a choice of the two
ends, read off the edges that a `Stream` carries:

                start                 end
  causal        of the segment        q + 1
  prefix        of the segment        q + 1, or the end of the segment's inputs if that is later
  full          of the segment        of the segment
  padding       0                     0

A window of w keys to each side raises the start to q - w and lowers the end to q + w + 1. Where a
text begins in another memory, the window reaches back into it.
"""

import jax
import jax.numpy as jnp

from archlab.batch import Array, Stream

AHEAD = ("prefix", "full")


def interval(
    stream: Stream, visibility: str, offset: jax.Array | int = 0, window: int = 0
) -> tuple[jax.Array, jax.Array]:
    """Picks each position's interval.

    Example, two segments of three and two positions, the first with inputs up to 2:
      start_BL          0 0 0 3 3
      end_BL, causal    1 2 3 4 5
      end_BL, prefix    2 2 3 4 5
      end_BL, full      3 3 3 5 5

    Args:
      stream: what a stack reads.
      visibility: "causal", "prefix" or "full".
      offset: place of the stream's first position in its row, when a row is read piece by piece.
      window: keys to each side that are seen at most; 0 is all.

    Returns:
      start_BL and end_BL, int32; both 0 on padding.

    Raises:
      ValueError: another visibility.

    Source: Beltagy et al. 2020 (Longformer), section 3.1, for the window.
    """
    rows, length = stream.end_BL.shape
    start_BL, end_BL = stream.start_BL, stream.end_BL
    next_BL = jnp.broadcast_to(offset + jnp.arange(1, length + 1), (rows, length))
    if visibility == "causal":
        end_BL = next_BL
    elif visibility == "prefix":
        end_BL = jnp.maximum(next_BL, stream.split_BL)
    elif visibility != "full":
        raise ValueError(f"visibility={visibility!r} is not one of causal, prefix, full")
    if window:
        start_BL = jnp.maximum(start_BL, next_BL - 1 - window)
        end_BL = jnp.minimum(end_BL, next_BL + window)
    is_text_BL = stream.end_BL > 0
    return jnp.where(is_text_BL, start_BL, 0), jnp.where(is_text_BL, end_BL, 0)


def behind(start_BL: Array, end_BL: Array, position_BL: Array, window: int) -> tuple[Array, Array]:
    """Picks each position's interval of another memory, in which its text begins.

    Example, three inputs, and two positions after them that see two places back:
      position_BL   3 4
      start_BL      0 0     becomes 1 2
      end_BL        3 3     stays

    Args:
      start_BL: int32, where its text begins in that memory.
      end_BL: int32, one past what that memory holds of it.
      position_BL: int32, place within the whole text.
      window: keys behind it that a position sees at most; 0 is all.

    Returns:
      start_BL and end_BL, int32; the start may be the greater one, and then nothing is seen.
    """
    if window:
        start_BL = jnp.maximum(start_BL, start_BL + position_BL - window)
    return start_BL, end_BL
