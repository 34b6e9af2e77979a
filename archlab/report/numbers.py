"""Numbers, written for people: three digits and a prefix, two units of time, a share."""

import math

PREFIXES = ("", "k", "M", "G", "T", "P", "E", "Z", "Y", "R", "Q")
NONE = "–"
SPACE = "\u00a0"


def engineering(value: float | None, unit: str = "") -> str:
    """Writes a number for people: three digits and a prefix.

    Example:
      >>> [engineering(value) for value in (12, 999_999, 1_234_567)]
      ['12', '1.00\\xa0M', '1.23\\xa0M']

    Args:
      value: any number; None where there is none.
      unit: put behind it.

    Returns:
      The number; its parts do not break across lines.
    """
    if value is None:
        return NONE
    if not math.isfinite(value):
        return "not finite"
    power = 0
    while abs(float(f"{value:.3g}")) >= 1000 and power < len(PREFIXES) - 1:
        value, power = value / 1000, power + 1
    is_whole = power == 0 and value == int(value)
    digits = 0 if is_whole else max(0, 2 - math.floor(math.log10(max(abs(value), 1))))
    return f"{value:.{digits}f}{SPACE}{PREFIXES[power]}{unit}".rstrip(SPACE)


def clock(seconds: float | None) -> str:
    """Writes a time for people.

    Example:
      >>> [clock(seconds).replace("\\xa0", " ") for seconds in (4.2, 75, 3600, 200_000)]
      ['4.2 s', '1 min 15 s', '1 h 0 min', '2 d 7 h']

    Args:
      seconds: any; None where there is none.

    Returns:
      Its two greatest units.
    """
    if seconds is None or not math.isfinite(seconds):
        return NONE
    if round(seconds, 1) < 60:
        return f"{seconds:.1f}{SPACE}s"
    whole = round(seconds)
    units = ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s"))
    size, large, part, small = next(unit for unit in units if whole >= unit[0])
    return SPACE.join([str(whole // size), large, str(whole % size // part), small])


def loss(value: float | None) -> str:
    """Writes nats.

    Example:
      >>> loss(2.25), loss(None)
      ('2.2500', '–')

    Args:
      value: any number; None where there is none.

    Returns:
      Four decimals.
    """
    if value is None:
        return NONE
    return f"{value:.4f}" if math.isfinite(value) else "not finite"


def share(value: float | None) -> str:
    """Writes a share.

    Example:
      >>> share(0.125)
      '12.5%'

    Args:
      value: 0 to 1; None where there is none.

    Returns:
      Percent.
    """
    return NONE if value is None else f"{value:.1%}"
