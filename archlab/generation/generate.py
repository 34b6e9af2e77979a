"""Continues texts, many at once.

A decoder reads a prompt as the inputs of a segment, exactly as in training: the start, then the
prompt; an encoder-decoder reads it in its encoder; an encoder reads it with masks behind it, which
it fills.
"""

import dataclasses
from collections.abc import Sequence

import jax
import numpy as np

from archlab.data.vocabulary import Vocabulary
from archlab.generation import beam, choice, prompts, unmasking, writing
from archlab.generation.manner import Manner
from archlab.generation.prompts import rounded
from archlab.model.transformer import Transformer

AT_ONCE = 8  # rows of a batch


@dataclasses.dataclass(frozen=True)
class Text:
    """What was said after a prompt.

    Args:
      ids: without the prompt and without the end.
      nats: log of their probability with that of the end, of the model's own distribution.
      is_ended: whether the end was said; else the text was cut at `Manner.tokens`.
    """

    ids: list[int]
    nats: float
    is_ended: bool


def generate(
    model: Transformer,
    weights: dict,
    vocabulary: Vocabulary,
    given: Sequence[Sequence[int]],
    manner: Manner,
    at_once: int = AT_ONCE,
    first: int = 0,
    is_shifted: bool = False,
) -> list[Text]:
    """Continues prompts.

    Args:
      model: of any architecture.
      weights: of the model.
      vocabulary: of its text.
      given: ids of each prompt. An encoder-decoder needs at least one of each, and so does an
        encoder that names tokens one position earlier.
      manner: how they are to be continued.
      at_once: rows of a batch, 1 or more. What is said does not depend on it.
      first: number of the first prompt, 0 or more: draws follow from the seed and the number.
      is_shifted: whether an encoder names each token at the position before it, as after `mntp`.

    Returns:
      What was said after each, in their order.

    Raises:
      ValueError: a setting that the architecture has no use for, nothing to read, or more than a
        table of positions has room for.
    """
    _check(model, given, manner, is_shifted)
    if at_once < 1 or first < 0:
        raise ValueError(f"at_once={at_once}, first={first}; at least 1 row, and from 0 on")
    order = sorted(range(len(given)), key=lambda number: len(given[number]))
    said: dict[int, Text] = {}
    rows = min(at_once, len(given))
    for at in range(0, len(order), rows or 1):
        numbers = order[at : at + rows]
        filled = numbers + numbers[:1] * (rows - len(numbers))
        is_over_B = np.arange(rows) >= len(numbers)
        number_B = np.asarray(filled) + first
        batch = Batch([given[number] for number in filled], number_B, is_over_B)
        found = batch.continued(model, weights, vocabulary, manner, is_shifted)
        said |= dict(zip(numbers, found, strict=False))
    return [said[number] for number in range(len(given))]


@dataclasses.dataclass(frozen=True)
class Batch:
    """Prompts that are continued together.

    Args:
      given: ids of each.
      number_B: int32, of each, from which its draws follow.
      is_over_B: which only fill the batch.
    """

    given: list[Sequence[int]]
    number_B: np.ndarray
    is_over_B: np.ndarray

    def continued(
        self,
        model: Transformer,
        weights: dict,
        vocabulary: Vocabulary,
        manner: Manner,
        is_shifted: bool,
    ) -> list[Text]:
        """Continues them.

        Args:
          model: see `generate`, as for all others.
          weights: see there.
          vocabulary: see there.
          manner: see there.
          is_shifted: see there.

        Returns:
          A text for each row.
        """
        kind = model.architecture.kind
        key_B = choice.keys(manner.seed, self.number_B)
        drawn = choice.Choice(
            manner.temperature or None,
            manner.top_k or None,
            manner.top_p if manner.top_p < 1 else None,
        )
        words = {"end": vocabulary.end, "allowed": vocabulary.size, "most": manner.tokens}
        if kind == "encoder":
            if vocabulary.mask >= model.size.vocab:
                raise ValueError(
                    f"the mask is id {vocabulary.mask}, and the table has {model.size.vocab} rows: "
                    "the model was trained without one"
                )
            masks = [vocabulary.mask] * manner.tokens
            room = rounded(manner.tokens)
            length = rounded(max(map(len, self.given)) + room)
            return _texts(
                unmasking.unmask(
                    model,
                    weights,
                    prompts.encoded([[*prompt, *masks] for prompt in self.given], length),
                    np.asarray([*map(len, self.given)]),
                    self.is_over_B,
                    key_B,
                    drawn,
                    passes=manner.passes or manner.tokens,
                    mask=vocabulary.mask,
                    room=room,
                    order=manner.order or "left",
                    is_shifted=is_shifted,
                    **words,
                )
            )
        read, source = self.given, None
        if kind == "encoder_decoder":
            source = prompts.encoded(self.given, rounded(max(map(len, self.given))))
            read = [[] for _ in self.given]
        length = rounded(max(map(len, read)) + 1)
        stream = prompts.prompted(read, length, vocabulary.start)
        given = (model, weights, stream, source, self.is_over_B)
        words["room"] = rounded(manner.tokens)
        if manner.beams == 1:
            return _texts(writing.write(*given, key_B, drawn, **words))
        return _best(
            beam.search(*given, manner.penalty, beams=manner.beams, **words), vocabulary.end
        )


def _texts(said: writing.Said) -> list[Text]:
    """What rows said."""
    said = jax.device_get(said)
    return [
        Text(tokens[:length].tolist(), float(nats), bool(is_over))
        for tokens, length, nats, is_over in zip(
            said.tokens_BL, said.length_B, said.nats_B, said.is_over_B, strict=True
        )
    ]


def _best(found: beam.Beams, end: int) -> list[Text]:
    """The best alternative of each row."""
    found = jax.device_get(found)
    texts = []
    for tokens_CL, length_C, nats_C in zip(
        found.tokens_BCL, found.length_BC, found.nats_BC, strict=True
    ):
        ids = tokens_CL[0, : length_C[0]].tolist()
        is_ended = ids[-1:] == [end]
        texts.append(Text(ids[:-1] if is_ended else ids, float(nats_C[0]), is_ended))
    return texts


def _check(
    model: Transformer, given: Sequence[Sequence[int]], manner: Manner, is_shifted: bool
) -> None:
    """Refuses what this architecture cannot continue so."""
    kind, most = model.architecture.kind, model.size.positions
    if kind == "encoder" and manner.beams > 1:
        raise ValueError(f"beams={manner.beams}, and an encoder fills masks; it keeps 1")
    for name in ("order", "passes"):
        if kind != "encoder" and getattr(manner, name):
            raise ValueError(
                f"{name}={getattr(manner, name)!r} is of an encoder's masks, and a "
                f"{model.architecture.name} goes from left to right"
            )
    if is_shifted and kind != "encoder":
        raise ValueError(f"is_shifted={is_shifted} is of an encoder; others are so anyway")
    needs = {"encoder_decoder": "an encoder-decoder needs something to read"}
    if is_shifted:
        needs["encoder"] = "an encoder that names tokens one position earlier needs that position"
    for number, prompt in enumerate(given):
        if not len(prompt) and kind in needs:
            raise ValueError(f"prompt {number + 1} of {len(given)} is empty; {needs[kind]}")
    if model.architecture.position != "learned":
        return
    longest = max(map(len, given), default=0)
    if kind == "encoder_decoder" and longest > most:
        raise ValueError(
            f"the encoder is to read {longest} tokens, and its table has {most} positions"
        )
    # A decoder reads its start besides, and not its last token.
    read = {"encoder_decoder": 1, "decoder": longest + 1, "encoder": longest}[kind]
    read += longest * model.architecture.merged
    room = most - read + (kind != "encoder")
    if manner.tokens > room:
        raise ValueError(
            f"{read} tokens are read and {manner.tokens} more are to follow, and the table has "
            f"{most} positions; {room} more would do"
        )
