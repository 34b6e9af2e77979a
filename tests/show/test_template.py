"""The form of a page, against one of a few lines."""

import jinja2
import pytest

from archlab.show import template


def test_a_page_escapes_calls_what_it_is_given_and_finds_the_cells(tmp_path):
    lines = ['{% import "cells.html.jinja" as cells %}', "{{ text | twice }}"]
    (tmp_path / "page.html.jinja").write_text("\n".join(lines))
    form = template.page(tmp_path, twice=lambda text: 2 * text)
    assert form.render(text="<b>") == "&lt;b&gt;&lt;b&gt;"
    with pytest.raises(jinja2.UndefinedError, match="'text' is undefined"):
        form.render()
