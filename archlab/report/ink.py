"""What figures look like, and how they are put into files and pages.

A figure goes into a page as SVG that takes its ink from the text around it, so that it is legible
on light and on dark; as PNG it stands on white.
"""

import io
import re
import warnings
from typing import Any

import matplotlib
from markupsafe import Markup, escape
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

# Okabe and Ito's colours without yellow, which is lost on white, and with the page's ink for black.
INK = "#010203"  # stands for the ink of the page; no other colour may be the same
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", INK)
DASHES = ((), (5, 1.6), (1.3, 1.3), (7, 1.6, 1.3, 1.6), (3, 1.3))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p")
LOOK: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.parse_math": False,  # a name with two dollars is not a formula
    "svg.fonttype": "none",
    **{f"{what}.color": INK for what in ("text", "xtick", "ytick")},
    **{f"axes.{what}color": INK for what in ("label", "edge", "title")},
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "legend.handlelength": 4,  # room for a whole pattern of dashes
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
}


def style(number: int) -> dict:
    """How a run is drawn.

    Args:
      number: of the run in the report, from 0.

    Returns:
      Its colour, dashes and marker, as arguments of a `Line2D`; 280 runs are told apart.
    """
    dashes = DASHES[number % len(DASHES)]
    return {
        "color": COLOURS[number % len(COLOURS)],
        "linestyle": (0, dashes) if dashes else "-",
        "marker": MARKERS[number % len(MARKERS)],
    }


def png(figure: Figure) -> bytes:
    """Renders a figure.

    Args:
      figure: any figure of this module.

    Returns:
      A PNG file.
    """
    return _saved(figure, "png", dpi=160, metadata={"Software": None})


def svg(figure: Figure, name: str, alt: str) -> Markup:
    """Renders a figure for a page.

    Args:
      figure: any figure of this module.
      name: letters and digits, different for every figure of a page.
      alt: what it shows, in words, for those who do not see it.

    Returns:
      An svg element without anything that reaches outside of it.
    """
    nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
    drawn = _saved(figure, "svg", transparent=True, metadata=nothing, salt=name).decode()
    drawn = drawn[drawn.index("<svg") :]
    # A style element would hold for the whole page; the page has the two rules that it sets.
    drawn = re.sub(r"<defs>\s*<style.*?</defs>", "", drawn, count=1, flags=re.DOTALL)
    drawn = re.sub(r'\bid="|url\(#|href="#', lambda found: found[0] + name + "-", drawn)
    drawn = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font-size: \1", drawn)
    drawn = drawn.replace(INK, "currentColor")
    # A hundredth of a point is seen by nobody, and a millionth makes a page three times as large.
    drawn = re.sub(r' d="[^"]*"', lambda found: re.sub(r"(\.\d\d)\d+", r"\1", found[0]), drawn)
    head, rest = drawn.split(">", 1)
    head = re.sub(r' (width|height|version|xmlns(:\w+)?)="[^"]*"', "", head)
    rest = rest.replace("xlink:href", "href")
    return Markup(f'{head} role="img" aria-label="{escape(alt)}">{rest}')


def swatch(number: int, name: str) -> Markup:
    """Draws a run's line and marker, for a legend in text.

    Args:
      number: of the run in the report, from 0.
      name: letters and digits, different for every figure of a page.

    Returns:
      An svg element; the text beside it says what it is.
    """
    with matplotlib.rc_context(LOOK):
        figure = Figure(figsize=(0.6, 0.18))
        x, y = [0.05, 0.5, 0.95], [0.5] * 3
        line = Line2D(x, y, markevery=[1], markersize=6, linewidth=1.6, **style(number))
        figure.add_artist(line)
    return svg(figure, name, f"line {number + 1}")


def _saved(figure: Figure, form: str, salt: str = "", **how) -> bytes:
    held = io.BytesIO()
    with matplotlib.rc_context(LOOK | {"svg.hashsalt": salt}), warnings.catch_warnings():
        # A name may be in any script; where the font lacks it, a box is drawn in its place.
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from", UserWarning)
        figure.savefig(held, format=form, **how)
    return held.getvalue()
