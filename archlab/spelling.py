"""What was probably meant: the end of every error about a word that is not known."""

import difflib
import heapq
from collections.abc import Iterable
from pathlib import Path

NEAR = 0.5  # share of the letters that two words have in common, in order, if one is the other
MANY = 60  # words with the most letters in common, of which the order is looked at
FEW = 10  # words that the slips are counted to
SHORTENED = 1.5  # what leaving out letters counts, however many
MOST = 30  # words that are listed where none is near


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
    known = sorted(words)
    found = meant(word, known)
    if found:
        return f", did you mean {found!r}?"
    more = f" and {len(known) - MOST} more" if len(known) > MOST else ""
    return f"; there are {', '.join(known[:MOST])}{more}" if known else ""


def meant(word: str, words: Iterable[str]) -> str:
    """Finds the likeliest word: one that was shortened, or that fewest slips lead to.

    Example:
      >>> meant("haed", ["shared", "head"]), meant("eval", ["evil", "evaluate"]), meant("x", ["y"])
      ('head', 'evil', '')

    Args:
      word: as written.
      words: that would be right.

    Returns:
      One of them; "" if none is near.
    """
    plain, written = {_plain(known): known for known in words}, _plain(word)
    pair = difflib.SequenceMatcher(b=written)

    def letters(known: str) -> float:
        pair.set_seq1(known)
        return pair.quick_ratio()

    some = heapq.nlargest(MANY, plain, key=letters)
    alike = difflib.get_close_matches(written, some, n=FEW, cutoff=NEAR)
    return plain[min(alike, key=lambda known: _slips(written, known))] if alike else ""


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
    found = meant(word, words)
    end = f", did you mean {found!r}?" if found else ""
    return f"{word!r} is not one of {', '.join(words)}{end}"


def beside(path: str | Path) -> str:
    """Finds the file or the folder that was probably meant.

    Args:
      path: which is not there.

    Returns:
      The end of an error message: the path that is there and looks most like it, or nothing.
    """
    there = Path(Path(path).anchor)
    try:
        for part in Path(path).relative_to(there).parts:
            if not (there / part).exists():
                names = [one.name for one in there.iterdir()] if there.is_dir() else []
                is_hidden = part.startswith(".")
                part = meant(part, [one for one in names if is_hidden or one[0] != "."])
            if not part:
                return ""
            there /= part
    except OSError:  # a name that is too long, or a folder that may not be read
        return ""
    return f", did you mean '{there}'?"


def _plain(word: str) -> str:
    return word.lower().replace("-", "_")


def _slips(one: str, other: str) -> float:
    """Counts the letters left out, put in, put for another, or put before their neighbour.

    A word that was shortened is few slips away, however many its letters are.

    Source: Damerau 1964, the four kinds of error; Wagner and Fischer 1974, the table of distances.
    """
    left = iter(other)
    is_shortened = all(letter in left for letter in one)
    rows: list[list[int]] = [list(range(len(other) + 1))]
    for i, letter in enumerate(one, 1):
        rows.append([i])
        for j, against in enumerate(other, 1):
            ways = [
                rows[i - 1][j] + 1,
                rows[i][j - 1] + 1,
                rows[i - 1][j - 1] + (letter != against),
            ]
            if i > 1 and j > 1 and (letter, one[i - 2]) == (other[j - 2], against):
                ways.append(rows[i - 2][j - 2] + 1)
            rows[i].append(min(ways))
    return min(rows[-1][-1], SHORTENED) if is_shortened else rows[-1][-1]
