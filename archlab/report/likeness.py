"""How alike the layers of runs are, as one picture: a panel for each pair of runs."""

import matplotlib
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from archlab.report.ink import LOOK

SIDE = 2.6  # inches of a panel
MAP = "cividis"  # told apart by those who see no red or green


def grid(likeness: dict[tuple[str, str], np.ndarray]) -> Figure:
    """Draws likenesses from 0 to 1, layer by layer.

    Args:
      likeness: of each pair of runs, the first's layers by the second's; both orders of a pair are
        not needed.

    Returns:
      The figure: a row for each first run, a column for each second.
    """
    rows = list(dict.fromkeys(one for one, _ in likeness))
    columns = list(dict.fromkeys(other for _, other in likeness))
    with matplotlib.rc_context(LOOK):
        size = (SIDE * len(columns) + 1, SIDE * len(rows))
        figure = Figure(figsize=size, layout="constrained")
        panels = figure.subplots(len(rows), len(columns), squeeze=False)
        colours = ScalarMappable(Normalize(0, 1), MAP)
        for row, one in enumerate(rows):
            for column, other in enumerate(columns):
                panel = panels[row, column]
                if (one, other) not in likeness:
                    panel.set_axis_off()
                    continue
                alike = likeness[one, other]
                extent = (0.5, alike.shape[1] + 0.5, 0.5, alike.shape[0] + 0.5)
                how = {"norm": colours.norm, "cmap": colours.cmap, "aspect": "auto"}
                panel.imshow(alike, extent=extent, origin="lower", **how)
                panel.locator_params(integer=True)
                panel.set_xlabel(f"layer of {other}")
                panel.set_ylabel(f"layer of {one}")
        figure.colorbar(colours, ax=panels, label="linear CKA", shrink=0.8)
    return figure
