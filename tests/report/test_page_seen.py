"""A page, as people see it: in a browser, on every width, on light and on dark, without a network.

Nothing is written to the console, nothing is asked for outside the file, nothing is wider than the
page, and the axis that is chosen is the one that is shown.
"""

import shutil

import pytest
from playwright import sync_api as playwright

from archlab.generation import generations
from archlab.generation.manner import Manner
from archlab.report.page import report
from archlab.show import examples
from tests.runs_written import stage, start, train, whole, write
from tests.show.test_examples import kept

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
# Whatever ends to the right of the page, unless it, or what it is in, is scrolled by itself.
WIDE = """() => [...document.querySelectorAll("body *")].filter(one => {
    for (let at = one.parentElement; at; at = at.parentElement)
        if (["auto", "scroll", "hidden"].includes(getComputedStyle(at).overflowX)) return false;
    const box = one.getBoundingClientRect();
    return box.width && (box.right > innerWidth + 1 || box.left < -1);
}).map(one => `${one.tagName} ${one.className} ${one.textContent.slice(0, 40)}`)"""
LONG = "a_task_with_a_name_that_is_as_long_as_the_names_of_tasks_may_become_and_longer"


@pytest.fixture(scope="module")
def browser():
    found = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if found is None:
        pytest.skip(f"none of {', '.join(PROGRAMS)} is installed")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=found, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture(scope="module", params=[1, 3])
def page(request, tmp_path_factory):
    """A page about one run, and one about three of which two have other stages and long names."""
    folder = tmp_path_factory.mktemp("runs")
    runs = [write(folder / "run", whole(expect=[2.0, 2.5]))]
    lines = [start(stage(LONG, 9)), *[train(i, 2.0, name=LONG) for i in (1, 7)]]
    lines[-1]["memory"] = {"resident": 2**30, "device_peak": 2**31}
    runs += [write(folder / name, lines) for name in (LONG, "x" * 90)][: request.param - 1]
    for run in runs:
        examples.write(run, [kept(), kept("PAIR", "encoder_decoder")])
        generations.add(run, 7, Manner(), [("def", " main():\n    " + "x" * 300)])
    return report(runs, folder / "report")


@pytest.mark.parametrize("width", [390, 1280, 1920])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_fits_and_needs_nothing(browser, page, width, scheme):
    said, asked = [], []
    seen = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    seen.on("console", lambda message: said.append(message.text))
    seen.on("pageerror", lambda error: said.append(str(error)))
    seen.on("request", lambda request: asked.append(request.url))
    seen.goto(page.as_uri())
    for one in seen.locator("details").all():
        one.evaluate("one => one.open = true")
    assert not said and asked == [page.as_uri()]
    assert seen.evaluate(WIDE) == []
    assert seen.evaluate("document.documentElement.scrollWidth") == width
    dark = seen.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(21, 23, 26)"
    assert dark == (scheme == "dark")
    seen.close()


def test_the_axis_that_is_chosen_is_shown(browser, page):
    context = browser.new_context(java_script_enabled=False)  # it takes none
    seen = context.new_page()
    seen.goto(page.as_uri())
    for unit in ("tokens", "loss_tokens", "flops", "seconds"):
        seen.locator(f"label[for=against-{unit}]").click()
        shown = [one for one in seen.locator(".against").all() if one.is_visible()]
        assert shown and all(f"against-{unit}" in one.get_attribute("class") for one in shown)
    context.close()
