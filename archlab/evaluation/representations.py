"""Representations: what the layers of a model make of a text, pooled over its tokens."""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from archlab.batch import Stream
from archlab.data.row import DECODER, PAIR
from archlab.evaluation.subject import Subject
from archlab.model.layers import STATES
from archlab.model.transformer import Transformer

POOLINGS = ("mean", "first", "last")
ROWS = 16  # of a batch


def pooled(subject: Subject, texts: Sequence[str]) -> np.ndarray:
    """Reads texts, each by itself, and pools what every layer makes of them.

    An encoder-decoder reads them in its encoder. A decoder reads them as inputs, which a prefix
    decoder sees whole. A text that is longer than the model reads at once loses its end.

    Args:
      subject: the run.
      texts: each of one token or more.

    Returns:
      float32, text × layer × pooling × width, the poolings in the order of `POOLINGS`.

    Raises:
      ValueError: a text has no token.
    """
    kind, row = subject.row.kind, subject.row
    is_decoder = kind == DECODER
    room = row.inputs if kind == PAIR else row.total - is_decoder
    ids = [subject.words.encode(text)[:room] for text in texts]
    for number, one in enumerate(ids):
        if not one:
            raise ValueError(f"text {number} is {texts[number]!r}, which has no token")
    length = max(map(len, ids), default=1) + is_decoder
    # Lengths are rounded up, so that texts of about one length compile once.
    length = min(-(-length // 64) * 64, room + is_decoder)
    found = []
    for first in range(0, len(ids), ROWS):
        rows = ids[first : first + ROWS]
        stream = _stream(rows, length, subject.words.start if is_decoder else None)
        states = _states(subject.model, subject.weights, stream, is_decoder)
        found.append(np.asarray(states)[:, :, : len(rows)].transpose(2, 0, 1, 3))
    return np.concatenate(found)


def _stream(rows: list[list[int]], length: int, start: int | None) -> Stream:
    """A text in each of `ROWS` rows; a decoder reads a start before it."""
    tokens_BL, position_BL, end_BL = (np.zeros((ROWS, length), np.int32) for _ in range(3))
    for row, ids in enumerate(rows):
        read = ids if start is None else [start, *ids]
        tokens_BL[row, : len(read)] = read
        position_BL[row, : len(read)] = np.arange(len(read))
        end_BL[row, : len(read)] = len(read)
    return Stream(tokens_BL, position_BL, np.zeros_like(end_BL), end_BL, end_BL)


@functools.partial(jax.jit, static_argnums=(0, 3))
def _states(model: Transformer, weights: dict, stream: Stream, is_decoder: bool) -> jax.Array:
    """Layer × pooling × row × width."""
    method = model.decode if is_decoder else model.encode
    with jax.default_matmul_precision(model.precision):
        _, left = model.apply({"params": weights}, stream, method=method, mutable=[STATES])
    (stack,) = left[STATES].values()
    x_NBLD = stack["layers"]["stream"][0].astype(jnp.float32)
    place_BL = jnp.arange(x_NBLD.shape[2]) - is_decoder  # of the text's token that is read
    many_B = stream.end_BL[:, 0] - is_decoder
    is_text_BL = (place_BL >= 0) & (place_BL < many_B[:, None])
    mean_NBD = jnp.einsum("NBLD,BL->NBD", x_NBLD, 1.0 * is_text_BL)
    mean_NBD /= jnp.maximum(many_B, 1)[:, None]
    first_NBD = x_NBLD[:, :, int(is_decoder)]
    last_BL = (jnp.maximum(stream.end_BL[:, 0] - 1, 0))[:, None]
    last_NBD = jnp.take_along_axis(x_NBLD, last_BL[None, ..., None], axis=2)[:, :, 0]
    return jnp.stack([mean_NBD, first_NBD, last_NBD], axis=1)


def likeness(one_SD: np.ndarray, other_SD: np.ndarray) -> float:
    """Says how alike two representations of the same texts are, whatever their widths.

    Args:
      one_SD: of each text.
      other_SD: of the same texts, in the same order.

    Returns:
      Linear centred kernel alignment: 0 if they have nothing in common, 1 if each is the other
      turned and scaled; nan where one of them is the same for all texts.

    Source: Kornblith et al. 2019, equation 5.
    """
    one_SD, other_SD = (
        each.astype(np.float64) - each.mean(axis=0, dtype=np.float64) for each in (one_SD, other_SD)
    )
    shared = np.linalg.norm(one_SD.T @ other_SD) ** 2
    own = np.linalg.norm(one_SD.T @ one_SD) * np.linalg.norm(other_SD.T @ other_SD)
    return float(shared / own) if own else float("nan")
