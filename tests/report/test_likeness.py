import numpy as np

from archlab.report import ink
from archlab.report.likeness import grid


def test_each_pair_has_a_panel_of_its_layers():
    alike = {
        ("a", "a"): np.eye(3),
        ("a", "b"): np.full((3, 2), 0.25),
        ("b", "b"): np.eye(2),
    }
    figure = grid(alike)
    panels = {
        (panel.get_ylabel(), panel.get_xlabel()): panel.images[0].get_array()
        for panel in figure.axes
        if panel.images
    }
    assert panels.keys() == {
        ("layer of a", "layer of a"),
        ("layer of a", "layer of b"),
        ("layer of b", "layer of b"),
    }
    np.testing.assert_array_equal(panels["layer of a", "layer of b"], alike["a", "b"])
    assert {panel.images[0].get_clim() for panel in figure.axes if panel.images} == {(0, 1)}
    assert ink.png(figure).startswith(b"\x89PNG")
