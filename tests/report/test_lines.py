"""The forms fit what archlab writes; what is odd is found (test_history.py)."""

import pytest

from archlab import form
from archlab.report.lines import FORMS
from tests.runs_written import whole


@pytest.mark.parametrize("kind", FORMS)
def test_a_line_as_it_is_written_has_its_form(kind):
    lines = [{"time": 1.5, **line} for line in whole(expect=[1.0, 2.0]) if line["kind"] == kind]
    assert lines and [form.wrong(line, FORMS[kind]) for line in lines] == [None] * len(lines)
    assert all(form.wrong({}, FORMS[one]) == "time" for one in FORMS)
