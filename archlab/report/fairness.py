"""Fairness: what runs were given, and whether it was the same, since that decides who wins."""

from collections.abc import Mapping, Sequence

CLOSE = 1.005  # times, up to which two costs are the same; steps are whole, so budgets are rounded
NONE = "–"


def apart(costs: Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
    """Finds what runs were not given the same of.

    Example:
      >>> apart({"tokens": [100, 100], "FLOPs": [200, 300]})
      {'FLOPs': [1.0, 1.5]}

    Args:
      costs: of each ledger, that of each run, 0 or more.

    Returns:
      Of each ledger that differs, how many times the least each run has; the least is of those that
      have any.
    """
    found = {}
    for name, each in costs.items():
        least = min(filter(None, each), default=0)
        if least and (max(each) > CLOSE * least or min(each) < least):
            found[name] = [one / least for one in each]
    return found


def sentence(costs: Mapping[str, Sequence[float]], what: str = "runs") -> str:
    """Says what runs were not given the same of.

    Example:
      >>> sentence({"tokens": [100, 100], "FLOPs": [200, 300]})
      'The runs are equal in tokens, and not in FLOPs (up to 1.50 times the least).'

    Args:
      costs: see `apart`.
      what: the runs are called.

    Returns:
      A sentence.
    """
    found = apart(costs)
    same = _listed([name for name in costs if name not in found])
    if not found:
        return f"The {what} are equal in {same}."
    unlike = [f"{name} ({_spread(each)})" for name, each in found.items()]
    begin = f"equal in {same}, and not in" if same else "not equal in"
    return f"The {what} are {begin} {_listed(unlike)}."


def shares(costs: Mapping[str, Sequence[float]]) -> list[str]:
    """Says of each run how much more than the least it was given.

    Example:
      >>> shares({"tokens": [100, 100], "FLOPs": [200, 300]})
      ['–', 'FLOPs × 1.50']

    Args:
      costs: see `apart`.

    Returns:
      A few words for each run; "–" for one that has the least of everything.
    """
    found = apart(costs)
    many = len(next(iter(costs.values()), ()))
    said = [
        [f"{name} × {each[number]:.2f}" for name, each in found.items() if each[number] > CLOSE]
        for number in range(many)
    ]
    return [", ".join(words) or NONE for words in said]


def _spread(times: list[float]) -> str:
    most = f"up to {max(times):.2f} times the least"
    said = [*["some had none"] * (not min(times)), *[most] * (max(times) > CLOSE)]
    return ", others ".join(said)


def _listed(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1])] * (len(words) > 1) + words[-1:])
