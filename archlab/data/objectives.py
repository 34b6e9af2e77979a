"""Objectives: what is hidden of a text, and what is to be said about it.

Each is a pure NumPy function of tokens and chance, that knows neither rows nor files. `rows.py`
says how much text each takes to fill a row.
"""

import dataclasses

import numpy as np

from archlab.data.vocabulary import FIRST, Vocabulary

RATE, MEAN = 0.15, 3.0  # T5's span corruption
MASKED, RANDOM = 0.8, 0.1  # BERT: of what is selected, shown as the mask, as another token


@dataclasses.dataclass(frozen=True)
class Example:
    """One training example, not yet packed.

    Args:
      inputs: int32, what is given; for a masked text, the text as it is shown.
      targets: int32, what is to be said; for a masked text, the text as it was.
      weights: float32, how much each target counts.
    """

    inputs: np.ndarray
    targets: np.ndarray
    weights: np.ndarray

    def __post_init__(self):
        # NumPy would stretch a single weight over all targets.
        assert len(self.weights) == len(self.targets)


def _example(inputs: np.ndarray, targets: np.ndarray) -> Example:
    return Example(inputs, targets, np.ones(len(targets), np.float32))


def causal_lm(tokens: np.ndarray) -> Example:
    """Gives nothing; the whole text is to be said.

    Example:
      tokens   5 6 7 1
      inputs
      targets  5 6 7 1

    Args:
      tokens: int32, one document or a piece of it.

    Returns:
      The example.

    Source: Radford et al. 2018, section 3.1.
    """
    return _example(tokens[:0], tokens)


def prefix_lm(tokens: np.ndarray, split: int) -> Example:
    """Gives the beginning of a text; the rest is to be said.

    Example, split = 2:
      tokens   5 6 7 8 1
      inputs   5 6
      targets      7 8 1

    Args:
      tokens: int32, one document or a piece of it.
      split: how many tokens are given, 0 to all but one.

    Returns:
      The example.

    Source: Raffel et al. 2020, section 3.2.3.
    """
    assert 0 <= split < len(tokens)
    return _example(tokens[:split], tokens[split:])


def counts(length: int, rate: float = RATE, mean: float = MEAN) -> tuple[int, int]:
    """Says how many tokens are noise, and in how many spans.

    Example:
      >>> counts(568)
      (85, 28)

    Args:
      length: of the text, 2 or more.
      rate: share of it that is noise, in (0, 1).
      mean: length of a span, on average; 1 or more.

    Returns:
      Noise tokens and spans; both fixed by the arguments. Only where the spans lie is chance.

    Raises:
      ValueError: a number out of its range.

    Source: `t5.data.preprocessors.random_spans_helper`, which rounds halves to even. T5's mask
      reckons in float32 and hides one token more at 190, 350 and other such lengths.
    """
    if length < 2 or not 0 < rate < 1 or mean < 1:
        raise ValueError(
            f"length={length}, rate={rate}, mean={mean}; a text has 2 tokens or more, the rate "
            "lies between 0 and 1, and the mean is 1 or more"
        )
    noise = min(max(int(np.round(length * rate)), 1), length - 1)
    return noise, min(max(int(np.round(noise / mean)), 1), length - noise)


def span_lengths(length: int, rate: float = RATE, mean: float = MEAN) -> tuple[int, int]:
    """Says how long both sides of a corrupted text are, each with its end.

    Example:
      >>> span_lengths(568)
      (512, 114)

    Args:
      length: of the text, 2 or more.
      rate: share of it that is noise, in (0, 1).
      mean: length of a span, on average; 1 or more.

    Returns:
      Tokens of the inputs and of the targets.

    Source: `t5.data.preprocessors.random_spans_helper`.
    """
    noise, spans = counts(length, rate, mean)
    return length - noise + spans + 1, noise + spans + 1


def span_corruption(
    tokens: np.ndarray,
    key: np.random.Generator,
    vocabulary: Vocabulary,
    rate: float = RATE,
    mean: float = MEAN,
) -> Example:
    """Hides spans of a text behind sentinels; what was behind each is to be said.

    The first span never begins the text and the last always ends it, as in T5.

    Example, rate = 0.5 and mean = 1.5, which hide 3 tokens in 2 spans, here `6 7` and `1`:
      tokens   5 6 7 8 9 1
      inputs   5 S0  8 9 S1 1
      targets  S0 6 7 S1 1 1

    Args:
      tokens: int32, 2 or more; pieces of several documents, each ending in its end.
      key: chance.
      vocabulary: with the sentinels and the end.
      rate: share of the tokens that is hidden, in (0, 1).
      mean: length of a span, on average; 1 or more.

    Returns:
      The example; both sides end in the vocabulary's end.

    Raises:
      ValueError: the text needs more sentinels than there are, or a number is out of its range.

    Source: Raffel et al. 2020, section 3.1.4; `t5.data.preprocessors.span_corruption`. T5 joins
      documents without a mark between them; here each keeps its end.
    """
    noise, spans = counts(len(tokens), rate, mean)
    if spans > vocabulary.sentinels:
        raise ValueError(
            f"{len(tokens)} tokens at rate={rate}, mean={mean} need {spans} sentinels, and the "
            f"vocabulary has {vocabulary.sentinels}; corrupt shorter texts, or in longer spans"
        )
    noise_S, text_S = _cut(noise, spans, key), _cut(len(tokens) - noise, spans, key)
    both = np.stack([text_S, noise_S], axis=1).reshape(-1)
    edges = np.cumsum(both)
    is_noise = np.repeat(np.tile([False, True], spans), both)
    sentinels = vocabulary.size - 1 - np.arange(spans, dtype=np.int32)
    end = np.int32(vocabulary.end)
    # A sentinel ends each stretch of shown text, and begins each hidden span.
    shown = np.insert(tokens[~is_noise], np.cumsum(text_S), sentinels)
    hidden = np.insert(tokens[is_noise], np.cumsum(noise_S) - noise_S, sentinels)
    assert edges[-1] == len(tokens)
    return _example(np.append(shown, end), np.append(hidden, end))


def _cut(total: int, parts: int, key: np.random.Generator) -> np.ndarray:
    """Cuts `total` into `parts` of at least 1, every way equally likely."""
    marks = np.sort(key.choice(total - 1, parts - 1, replace=False)) + 1
    return np.diff(marks, prepend=0, append=total)


def masked_lm(
    tokens: np.ndarray,
    key: np.random.Generator,
    vocabulary: Vocabulary,
    rate: float = RATE,
    masked: float = MASKED,
    replaced: float = RANDOM,
) -> Example:
    """Hides some tokens in place; each is to be named.

    Of the selected tokens 80 % are shown as the mask, 10 % as another token and 10 % as they are,
    each drawn on its own; the loss falls on all of them, or the model could tell by the mask alone
    where it is asked. How many are selected is fixed, round(15 %) and at least 1, so that no text
    is without loss. Ends are selected like other tokens.

    Example, rate = 0.4, which selects 2 tokens, here 6 (masked) and 8 (kept):
      tokens   5 6 7 8 1
      inputs   5 M 7 8 1
      targets  5 6 7 8 1
      weights  0 1 0 1 0

    Args:
      tokens: int32, one document or a piece of it; 1 or more.
      key: chance.
      vocabulary: with the mask, and the ids of the text that replacements are drawn from.
      rate: share of the tokens that is selected, above 0 and up to 1.
      masked: share of the selected that is shown as the mask, 0 to 1.
      replaced: share of the selected that is shown as any token of the text, 0 to 1; the rest is
        shown as it is.

    Returns:
      The example.

    Raises:
      ValueError: a share out of its range.

    Source: Devlin et al. 2019, section 3.1; the fixed count is its released
      `create_pretraining_data.py`.
    """
    if not 0 < rate <= 1 or min(masked, replaced) < 0 or masked + replaced > 1:
        raise ValueError(
            f"rate={rate}, masked={masked}, replaced={replaced}; the rate lies above 0 and up to "
            "1, the others are shares whose sum is at most 1"
        )
    many = max(1, int(np.round(len(tokens) * rate)))
    selected = key.choice(len(tokens), many, replace=False)
    drawn = key.random(many)
    other = key.integers(FIRST, vocabulary.text, many)
    inputs, weights = tokens.copy(), np.zeros(len(tokens), np.float32)
    shown = np.where(drawn < masked, vocabulary.mask, other)
    inputs[selected] = np.where(drawn < masked + replaced, shown, tokens[selected])
    weights[selected] = 1.0
    return Example(inputs, tokens, weights)
