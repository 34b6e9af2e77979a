"""What was probably meant: the end of every error about a word that is not known."""

import difflib
from collections.abc import Iterable


def nearest(word: str, words: Iterable[str]) -> str:
    """Finds what was probably meant.

    Example:
      >>> nearest("layer", ["layers", "embed"])
      ", did you mean 'layers'?"
      >>> nearest("zzz", ["b", "a"])
      '; there are a, b'

    Args:
      word: as written.
      words: that would be right.

    Returns:
      The end of an error message: the likeliest word, or all of them if none is near.
    """
    lower = {known.lower(): known for known in words}
    found = difflib.get_close_matches(word.lower(), lower, n=1, cutoff=0.55)
    if found:
        return f", did you mean {lower[found[0]]!r}?"
    return f"; there are {', '.join(sorted(lower.values()))}" if lower else ""


def not_one_of(word: str, words: Iterable[str]) -> str:
    """Says that a word is none of those that would be right.

    Example:
      >>> not_one_of("rop", ["rope", "none"])
      "'rop' is not one of rope, none, did you mean 'rope'?"

    Args:
      word: as written.
      words: that would be right.

    Returns:
      An error message without its subject.
    """
    meant = nearest(word, words)
    return f"{word!r} is not one of {', '.join(words)}{'' if meant.startswith(';') else meant}"
