"""Random packed batches, laid out position by position, and weights, for tests of models."""

import jax
import numpy as np

from archlab.batch import Batch, Stream


def segments(random, length: int, most: int) -> list[tuple[int, int]]:
    """Cuts a row into segments, and leaves some padding: (start, end) of each."""
    edges, at = [], 0
    while at < length and len(edges) < most:
        end = min(length, at + int(random.integers(2, max(3, length // 2))))
        edges.append((at, end))
        at = end
    return edges


def stream(random, rows: list[list[tuple[int, int, int]]], length: int, vocab: int) -> Stream:
    """Lays out rows of (start, split, end), with random tokens."""
    shape = (len(rows), length)
    tokens, position, start, split, end = (np.zeros(shape, np.int32) for _ in range(5))
    for row, edges in enumerate(rows):
        for low, middle, high in edges:
            for place in range(low, high):
                tokens[row, place] = random.integers(3, vocab)
                position[row, place] = place - low
                start[row, place], split[row, place], end[row, place] = low, middle, high
    return Stream(tokens, position, start, split, end)


def batch(kind: str, rows: int, inputs: int, targets: int, vocab: int, seed: int = 0) -> Batch:
    """Draws a batch whose rows hold a few segments each, and padding."""
    random = np.random.default_rng(seed)
    last = targets if kind == "encoder_decoder" else inputs + targets
    cut = [segments(random, last, 3) for _ in range(rows)]
    if kind == "encoder":
        own = [[(low, high, high) for low, high in row] for row in cut]
    elif kind == "decoder":
        own = [[(low, int(random.integers(low, high)), high) for low, high in row] for row in cut]
    else:
        own = [[(low, low, high) for low, high in row] for row in cut]
    reads = stream(random, own, last, vocab)
    memory_start = memory_end = encoder = None
    if kind == "encoder_decoder":
        sources = []
        memory_start, memory_end = (
            np.zeros((rows, last), np.int32),
            np.zeros((rows, last), np.int32),
        )
        for row, edges in enumerate(cut):
            marks = sorted(random.choice(np.arange(1, inputs), len(edges), replace=False))
            lows = [0, *marks][: len(edges)]
            source = [
                (int(low), int(high), int(high)) for low, high in zip(lows, marks, strict=False)
            ]
            sources.append(source)
            for (low, high), (first, _, past) in zip(edges, source, strict=True):
                memory_start[row, low:high], memory_end[row, low:high] = first, past
        encoder = stream(random, sources, inputs, vocab)
    elif kind == "encoder":
        encoder = reads
    weight = (random.random((rows, last)) < 0.7) * (reads.end_BL > 0)
    return Batch(
        encoder=encoder,
        decoder=None if kind == "encoder" else reads,
        memory_start_BL=memory_start,
        memory_end_BL=memory_end,
        target_BL=random.integers(3, vocab, (rows, last)).astype(np.int32),
        weight_BL=weight.astype(np.float32),
        objective_B=(np.arange(rows) % 2).astype(np.int32),
    )


def weights(shapes: dict, deviation: float = 0.3) -> dict:
    """Weights in which no scale is 1 and no bias 0; nothing has to be compiled for them."""
    random = np.random.default_rng(0)

    def fill(keys, leaf):
        first = 1.0 if keys[-1].key.startswith("scale") else 0.0
        return (first + deviation * random.normal(size=leaf.shape)).astype(np.float32)

    return jax.tree_util.tree_map_with_path(fill, shapes)
