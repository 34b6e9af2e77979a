"""Numbers are written so that people can read them."""

import math

from archlab.report.numbers import clock, engineering, loss, share


def test_numbers_for_people():
    assert [engineering(x).replace("\u00a0", " ") for x in (0, 7, 999.6, 3.4e15, 9.5)] == [
        *("0", "7", "1.00 k", "3.40 P", "9.50")
    ]
    assert engineering(None) == "–" and engineering(math.nan) == "not finite"
    assert engineering(1234, "FLOP/s") == "1.23\u00a0kFLOP/s"
    said = [clock(seconds).replace("\u00a0", " ") for seconds in (59.96, 3599, 3600, 86399, 86400)]
    assert said == ["1 min 0 s", "59 min 59 s", "1 h 0 min", "23 h 59 min", "1 d 0 h"]
    assert [loss(value) for value in (None, math.inf, 1.23456)] == ["–", "not finite", "1.2346"]
    assert [share(value) for value in (None, 0, 1)] == ["–", "0.0%", "100.0%"]
