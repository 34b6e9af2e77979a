"""Figures show every run, once, where the record says; and are legible on light and on dark."""

import math

import numpy as np
import pytest

from archlab.report import figures, ink, series
from tests.runs_written import PREFIX, SPAN, stage, start, train, whole


def test_one_curve_per_run_in_each_panel(made):
    runs = made(whole(), whole(shift=0.5), whole()[:7])
    tokens, flops = figures.curves(runs).axes
    for axes, unit in ((tokens, 100), (flops, 10_000)):
        assert [line.get_label().strip() for line in axes.lines] == ["run0", "run1", "run2"]
        x, y = axes.lines[1].get_data()
        is_drawn = ~np.isnan(x)
        assert x[is_drawn].tolist() == [unit * total for total in range(1, 9)]
        assert y[is_drawn].tolist() == [5.5, 4.5, 4.0, 3.5, 5.0, 3.5, 3.0, 2.5]


def test_validation_stands_at_its_step(made):
    tokens, flops = figures.curves(made(whole())).axes
    assert tokens.collections[0].get_offsets().tolist() == [[400, 3.2], [800, 2.2]]
    assert flops.collections[0].get_offsets().tolist() == [[40_000, 3.2], [80_000, 2.2]]


def test_the_stages_of_one_run_are_named(made):
    axes = figures.panel(made(whole(expect=[2.0, 2.5])), series.LOSS).axes[0]
    assert [text.get_text() for text in axes.texts] == [SPAN, PREFIX]
    low, high = axes.get_ylim()
    assert low <= 2.0 and high >= 5.0


def test_the_expected_band_stands_in_the_last_stage(made):
    ended, begun = made(whole(expect=[2.0, 2.5]), whole()[:4])
    axes = figures.panel([ended], series.LOSS).axes[0]
    box = axes.collections[-1].get_paths()[0].get_extents()
    assert (*box.p0, *box.p1) == (400, 2.0, 800, 2.5)
    begun.config["run"]["expect"] = [2.0, 2.5]
    assert begun.expect and len(figures.panel([begun], series.LOSS).axes[0].collections) == 1


@pytest.mark.parametrize("losses", [[math.nan] * 3, [2.0, math.nan, math.nan], [0.0, 0.0, 1.0]])
def test_any_loss_is_drawn(made, losses):
    runs = made([start(stage(SPAN)), *[train(i + 1, loss) for i, loss in enumerate(losses)]])
    figure = figures.curves(runs)
    assert ink.png(figure)
    said = [text.get_text() for text in figure.axes[0].texts]
    assert ("not finite" in said) == any(map(math.isnan, losses))


def test_a_single_record_is_seen(made):
    line = figures.panel(made([start(stage(SPAN)), train(1, 2.0)]), series.LOSS).axes[0].lines[0]
    assert line.get_markevery() == [0]


def test_runs_of_very_different_cost_share_a_logarithmic_axis(made):
    long = [start(stage(SPAN, 100)), *[train(i, 2.0) for i in (1, 50, 100)]]
    assert figures.curves(made(whole(), long)).axes[1].get_xscale() == "log"


@pytest.mark.parametrize("steps", [100, 200, 1000, 30_000])
def test_a_logarithmic_axis_of_any_length_has_labels_enough(made, steps):
    long = [start(stage(SPAN, steps)), *[train(i, 2.0) for i in (1, steps // 2, steps)]]
    figure = figures.curves(made(whole(), long))
    figure.draw_without_rendering()
    axes = figure.axes[1]
    low, high = axes.get_xlim()
    ticks = [one for one in axes.xaxis.get_ticklocs() if low <= one <= high]
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert 3 <= len(ticks) <= 9 and sum(map(bool, labels)) >= 3, labels


def test_a_long_curve_keeps_its_peaks_and_its_gaps(made):
    rng = np.random.default_rng(0)
    losses = rng.uniform(2, 3, 20_000)
    losses[12_345], losses[777] = 9.0, 0.5
    lines = [train(i + 1, float(loss)) for i, loss in enumerate(losses)]
    lines[5_000]["loss"] = math.nan
    line = figures.panel(made([start(stage(SPAN, 20_000)), *lines]), series.LOSS).axes[0].lines[0]
    x, y = line.get_data()
    assert len(x) <= 5 * series.POINTS and (np.diff(x) > 0).all()
    assert np.nanmax(y) == 9.0 and np.nanmin(y) == 0.5 and np.isnan(y[x == 500_100]).all()
    assert (x[0], x[-1]) == (100, 2_000_000)


def test_many_records_are_drawn_lightly_under_their_average(made):
    rng = np.random.default_rng(0)
    losses = rng.uniform(2, 3, 400)
    lines = [train(i + 1, float(loss)) for i, loss in enumerate(losses)]
    axes = figures.panel(made([start(stage(SPAN, 400)), *lines], whole()), series.LOSS).axes[0]
    raw, smooth, few = axes.lines
    assert raw.get_ydata().tolist() == losses.tolist() and raw.get_alpha() < 0.5
    assert raw.get_color() == smooth.get_color() != few.get_color()
    assert [line.get_label() for line in (smooth, few)] == [" run0", " run1"]
    assert smooth.get_ydata().std() < raw.get_ydata().std() / 2
    rate = figures.panel(made(whole(), [start(stage(SPAN, 400)), *lines]), series.COURSE[0])
    assert len(rate.axes[0].lines) == 2


def test_bands_are_everybodys_where_stages_stand_in_the_same_places(made):
    axes = figures.panel(made(whole(), whole(shift=0.5)), series.LOSS).axes[0]
    assert [text.get_text() for text in axes.texts] == [SPAN, PREFIX]
    assert [patch.get_x() for patch in axes.patches] == [400]
    other = [start(stage(SPAN, 6), stage(PREFIX)), *[train(i, 2.0) for i in (1, 6)]]
    other.append(train(8, 2.0, 1, PREFIX, 6))
    axes = figures.panel(made(whole(), other), series.LOSS).axes[0]
    assert not axes.patches and not axes.texts
    marks = [line.get_segments()[0][0] for line in axes.collections if line.get_label() == "begins"]
    assert [x for x, _ in marks] == [400, 600]


def test_time_is_shown_in_the_largest_unit_that_there_are_two_of(made):
    for seconds, label, end in ((2.5, "seconds", 20), (60, "minutes", 8), (3600, "hours", 8)):
        lines = whole()
        for line in lines[1:]:
            line["seconds"] = seconds * line.get("total_step", 0)
        axes = figures.panel(made(lines), series.LOSS, "seconds").axes[0]
        assert axes.get_xlabel() == f"wall clock, {label}"
        assert np.nanmax(axes.lines[0].get_xdata()) == end
