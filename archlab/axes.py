"""The alphabet: one letter for each dimension, in names, einsums, shardings and checkpoints.

An array's name ends in its dimensions, outermost first: `query_BLHK` is indexed by batch, length,
head, and width within the head. The word behind a letter is at once the field of `Size`, the name
in the sharding rules, and the word used in prose.

Source: the habit is Noam Shazeer's shape suffixes; B, L, M, D, V, F, H and K are his letters.
"""

import re

WORDS = {
    "A": "accumulate",  # microbatches of a step
    "B": "batch",  # rows of a batch
    "L": "length",  # positions that ask
    "M": "memory",  # positions that are asked
    "N": "layers",  # layers, stacked by scan
    "D": "embed",  # width of the residual stream
    "F": "mlp",  # width of the hidden layer
    "H": "heads",  # query heads
    "G": "kv_heads",  # key and value heads, each shared by a group of query heads
    "K": "kv",  # width of one head
    "V": "vocab",  # rows of the embedding table
    "E": "experts",  # hidden layers of which a token meets a few
    "R": "buckets",  # relative-position buckets
    "S": "segments",  # pieces of text, or examples, one after another
    "T": "tokens",  # of many segments, one after another
    "C": "choices",  # alternatives of one thing, or the experts that a token is sent to
    "U": "positions",  # places in a text that a table has rows for
    "Z": "parts",  # of a batch, rows and length, that are each on one device
    "O": "scored",  # positions that carry loss, those of a device one after another
    "Q": "group",  # query heads that share a key head
    "P": "distances",  # from a query to a key, least first
    "I": "query_blocks",  # blocks of queries, in the kernels of attention
    "J": "key_blocks",  # blocks of keys
    "X": "block_queries",  # queries of a block
    "Y": "block_keys",  # keys of a block
    "W": "visits",  # pairs of blocks that see each other, or a window of distances
}

_SUFFIX = re.compile(rf"^[a-z][a-z0-9_]*_([{''.join(WORDS)}]+)$")


def letters(name: str) -> str:
    """Reads the dimensions off a name; "" where the name has none.

    Example:
      >>> letters("query_BLHK")
      'BLHK'
      >>> letters("step")
      ''

    Args:
      name: the name of a variable, a field or a weight.

    Returns:
      Letters of `WORDS`, outermost dimension first.
    """
    match = _SUFFIX.match(name)
    return match.group(1) if match else ""


def words(name: str) -> tuple[str, ...]:
    """Spells out the dimensions of a name.

    Example:
      >>> words("table_VD")
      ('vocab', 'embed')

    Args:
      name: the name of a variable, a field or a weight.

    Returns:
      One word of `WORDS` for each letter of the suffix, outermost dimension first.
    """
    return tuple(WORDS[letter] for letter in letters(name))
