"""A report says what the record says: on the page, in the table, of ended and unended runs."""

import csv
import html.parser
import json
import math
import subprocess
import sys

import pytest

from archlab import record
from archlab.evaluation import lines
from archlab.evaluation.estimate import Estimate
from archlab.evaluation.lines import Line
from archlab.generation import generations
from archlab.generation.manner import Manner
from archlab.report import history, ink
from archlab.report.page import notes, report
from archlab.show import examples
from tests.runs_written import (
    MANIFEST,
    PREFIX,
    SPAN,
    end,
    evaluate,
    stage,
    start,
    train,
    whole,
    write,
)
from tests.show.test_examples import kept

VOID = {"meta", "link", "br", "wbr", "img", "hr", "input"}


class Page(html.parser.HTMLParser):
    """A page's elements, ids, links and words, and its tables by label."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.ids, self.links, self.images = [], [], [], [], []
        self.words, self.tables, self.heads = [], {}, []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.tags.append(tag)
        self.ids += [found["id"]] if "id" in found else []
        self.links += [found[name] for name in ("src", "href", "xlink:href") if name in found]
        if found.get("role") == "img":
            self.images.append(found["aria-label"])
        if found.get("role") == "region":
            self.tables[found["aria-label"]] = self.rows = []
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self.heads += [found.get("scope")] if tag == "th" else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)
        if "td" in self.open or "th" in self.open:
            self.rows[-1][-1] += data.replace("\u00a0", " ")

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


@pytest.fixture
def figures():
    """For what needs the figures: drawing them takes longest, and says nothing that tables say."""


@pytest.fixture(autouse=True)
def quickly(request, monkeypatch):
    if "figures" not in request.fixturenames:
        monkeypatch.setattr(ink, "svg", lambda *_: "drawn")
        monkeypatch.setattr(ink, "png", lambda *_: b"drawn")


def written(out, *runs):
    return Page(report(list(runs), out).read_text())


def table(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_the_page_says_what_the_runs_came_to(tmp_path, figures):
    good = write(tmp_path / "good", whole(expect=[2.0, 2.5]))
    bad = write(tmp_path / "bad", whole(expect=[2.0, 2.5], shift=1.0))
    page = written(tmp_path / "out", good, bad)
    first, second = page.tables["Result"][1:]
    stages = f"{SPAN} → {PREFIX}"
    assert first[:5] == ["good", "prefix_decoder", "1.23 M", stages, "2.2000"]
    assert first[6:] == ["800", "80.0 k", "20.0 s"]
    assert "2.0 to 2.5" in first[5] and first[5].endswith("✓ met")
    assert second[4] == "3.2000" and second[5].endswith("✗ not met")
    assert "bad did not come out within the band" in page.text
    assert "Losses of different objectives are not comparable" in page.text
    assert (tmp_path / "out/curves.png").read_bytes().startswith(b"\x89PNG")


def test_the_page_keeps_all_ledgers(tmp_path):
    page = written(tmp_path / "out", write(tmp_path / "run", whole()))
    groups, names, row = page.tables["Ledgers"]
    assert names == ["body", "head", "attention", "total", "stored", "visited", SPAN, PREFIX]
    assert "Epochs of unique text" in groups and "Loss tokens" in groups
    flops = ["48.0 k", "24.0 k", "8.00 k", "80.0 k"]
    rest = ["1.23 M", "900", "800", "240", "12.5%", "0.25", "1.5", "20.0 s"]
    assert row == ["run", *flops, *rest]


def test_the_page_lists_stages_versions_and_the_experiment(tmp_path):
    page = written(tmp_path / "out", write(tmp_path / "run", whole(), gin="# a < b\n"))
    assert page.tables["Stages"][2] == [
        *("run", PREFIX, "prefix_decoder", PREFIX),
        *("4 of 4", "100", "10.0 k", "2.0000", "2.2000"),
    ]
    kept = dict(page.tables["Made with"][1:])
    assert kept["git"] == MANIFEST["git"] and kept["jax"] == "0.10.2"
    assert kept["devices"] == "8 × cpu"
    assert "details" in page.tags and "# a < b" in page.text


def test_the_page_needs_no_other_file_and_its_tables_and_figures_have_words(tmp_path, figures):
    runs = [write(tmp_path / name, whole()) for name in ("a", "b")]
    page = written(tmp_path / "out", *runs)
    assert page.links and all(link.startswith("#") for link in page.links)
    assert {link[1:] for link in page.links} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    assert not {"script", "link", "iframe", "img"} & set(page.tags)
    assert page.tags.count("caption") == page.tags.count("table") == len(page.tables)
    assert None not in page.heads
    assert "learning rate against tokens: a from 0.001 to 0.001; b from" in " ".join(page.images)
    text = (tmp_path / "out/index.html").read_text()
    assert "://" not in text and "url(h" not in text and "@import" not in text


def test_the_table_equals_the_record(tmp_path):
    run = write(tmp_path / "run", whole(expect=[2.0, 2.5]))
    report([run], tmp_path / "out")
    rows = table(tmp_path / "out/metrics.csv")
    found = {(row["kind"], row["total_step"], row["name"]): row for row in rows}
    assert len(found) == len(rows) and {row["run"] for row in rows} == {"run"}
    for line in record.read(run / "metrics.jsonl"):
        place = line["kind"], str(line.get("total_step", ""))
        for name in ("time", "loss", "tokens", "gradient_norm", "parameters"):
            if name in line:
                assert float(found[*place, name]["value"]) == line[name]
        if line["kind"] == "train":
            row = found[*place, f"loss_by_objective.{line['stage_name']}"]
            assert float(row["value"]) == line["loss"]
            assert (row["stage"], row["step"]) == (str(line["stage"]), str(line["step"]))
            assert float(found[*place, "flops.head"]["value"]) == line["flops"]["head"]
    assert found["end", "", f"ledger.epochs.{PREFIX}"]["value"] == "1.5"
    assert found["end", "", "met"]["value"] == "1"


def test_a_resumed_run_shows_what_was_done_last(tmp_path):
    lines = [start(stage(SPAN, 6)), *[train(i, 9.0) for i in (1, 2, 3, 4, 5)], evaluate(4, 9.0)]
    lines += [start(stage(SPAN, 6), resumed_from=2), train(4, 3.0), train(6, 2.0)]
    run = write(tmp_path / "run", [*lines, evaluate(6, 2.5), end(6, 2.5)])
    found = history.read(run, "run")
    assert [(line["step"], line["loss"]) for line in found.trains] == [
        *((1, 9.0), (2, 9.0), (4, 3.0), (6, 2.0))
    ]
    assert [line["loss"] for line in found.evaluates] == [2.5]
    page = written(tmp_path / "out", run)
    assert "unfinished" not in page.tables["Result"][1][5]
    steps = [row["step"] for row in table(tmp_path / "out/metrics.csv") if row["name"] == "loss"]
    assert steps == ["1", "2", "4", "6", "6", ""]


def test_an_unfinished_run_is_counted_up_to_its_last_record(tmp_path):
    page = written(tmp_path / "out", write(tmp_path / "run", whole()[:8]))
    result, ledger = page.tables["Result"][1], page.tables["Ledgers"][-1]
    assert result[4:] == ["3.2000", "unfinished", "600", "60.0 k", "15.0 s"]
    assert ledger[0] == "run (unfinished)" and "600" in ledger
    assert ledger[6] == "967"  # visited: 4 steps at 900, 2 at 1100
    both = written(tmp_path / "both", tmp_path / "run", write(tmp_path / "ended", whole()))
    assert both.tables["Ledgers"][2][10:12] == ["–", "–"]  # no epochs before the end
    assert "run is unfinished: its numbers are those of step 2 of 4 of stage" in page.text


def test_a_run_that_has_only_begun_is_shown_as_such(tmp_path, figures):
    begun = write(tmp_path / "begun", [start(stage(SPAN), stage(PREFIX))])
    page = written(tmp_path / "out", begun)
    assert page.tables["Result"][1][4:] == ["–", "unfinished", "0", "0", "0.0 s"]
    assert page.tables["Ledgers"][-1][1:] == [*"0000", "1.23 M", "–", "0", "0", "–", "0.0 s"]
    assert page.tables["Stages"][1][4] == "0 of 4"
    assert "begun has begun, and has not recorded a step yet" in page.text
    assert "nothing recorded yet" in page.text and "Loss by objective" not in page.text
    page = written(tmp_path / "out", begun, write(tmp_path / "run", whole()))
    assert [row[0] for row in page.tables["Result"][1:]] == ["begun", "run"]
    assert "nothing recorded yet" not in page.text and "Loss by objective" in page.text


def test_losses_that_are_not_finite_are_shown(tmp_path, figures):
    nan = [train(i, math.nan) for i in (1, 2)]
    run = write(tmp_path / "run", [start(stage(SPAN)), *nan, evaluate(2, math.nan)])
    page = written(tmp_path / "out", run)
    assert page.tables["Result"][1][4] == "not finite"
    assert "run recorded losses that are not finite" in page.text
    rows = table(tmp_path / "out/metrics.csv")
    assert {row["value"] for row in rows if row["name"].startswith("loss_by_")} == {"NaN"}


def test_a_run_without_validation_has_no_validation_loss(tmp_path):
    lines = [line for line in whole() if line["kind"] != "evaluate"]
    page = written(tmp_path / "out", write(tmp_path / "run", lines))
    assert page.tables["Result"][1][4] == "–"


def test_a_name_is_text_whatever_it_is(tmp_path, figures):
    names = ["<b>", '"&amp;', "a$b$", "_run", "{{ 7 * 7 }}", "運行"]
    runs = [write(tmp_path / name, whole(), gin="</pre><script>") for name in names]
    page = written(tmp_path / "out", *runs)
    assert [row[0] for row in page.tables["Result"][1:]] == names
    assert not {"b", "script"} & set(page.tags)
    assert [*dict.fromkeys(row["run"] for row in table(tmp_path / "out/metrics.csv"))] == names


def test_stages_and_objectives_are_text_too(tmp_path, figures):
    name = "<i>$x$ _ & 運"
    lines = [start(stage(name)), train(1, 2.0, name=name), evaluate(1, 2.0, name=name)]
    page = written(tmp_path / "out", write(tmp_path / "run", lines))
    assert "i" not in page.tags and page.tables["Stages"][1][1] == name


def test_runs_of_one_name_are_told_apart(tmp_path):
    runs = [write(tmp_path / name, whole(), seed=i) for i, name in enumerate(("x/run", "y/run"))]
    page = written(tmp_path / "out", *runs, runs[0])
    assert [row[0] for row in page.tables["Result"][1:]] == ["x/run", "y/run"]
    assert page.tables["Settings that differ"] == [
        ["Setting", "x/run", "y/run"],
        ["seed", "0", "1"],
    ]
    assert {row["run"] for row in table(tmp_path / "out/metrics.csv")} == {"x/run", "y/run"}


def test_runs_with_other_text_or_vocabulary_come_with_a_note(tmp_path):
    other = {**MANIFEST, "vocabulary": {"kind": "pieces"}}
    runs = [write(tmp_path / "a", whole()), write(tmp_path / "b", whole(), manifest=other)]
    said = notes([history.read(run, run.name) for run in runs])
    assert said == ["The runs have different vocabularies; compare their losses with that in mind."]
    other = {**MANIFEST, "texts": {"wiki train": "t2"}}
    runs[1] = write(tmp_path / "c", whole(), manifest=other)
    said = notes([history.read(run, run.name) for run in runs])
    assert said == ["The runs have different texts; compare their losses with that in mind."]


def test_runs_of_one_text_and_different_mixtures_have_one_text(tmp_path):
    manifests = [{**MANIFEST, "data": {name: name}} for name in (SPAN, PREFIX)]
    manifests[1]["texts"] = {**MANIFEST["texts"], "more train": "t3"}
    runs = [
        write(tmp_path / name, whole(), manifest=one)
        for name, one in zip("ab", manifests, strict=True)
    ]
    assert notes([history.read(runs[0], "a"), history.read(runs[0], "b")]) == []
    page = written(tmp_path / "out", *runs)
    shown = {row[0]: row[1:] for row in page.tables["Made with"][1:]}
    assert shown["texts.wiki train"] == ["t1"] and shown["texts.more train"] == ["–", "t3"]
    assert not any(name.startswith("data") for name in shown)
    assert shown["devices"] == ["8 × cpu"]


def test_the_manifest_is_shown_whatever_is_in_it(tmp_path):
    manifest = {"versions": None, "devices": [{"kind": "x"}] * 2, "x": {"y": ["a", "b"], "z": None}}
    page = written(tmp_path / "out", write(tmp_path / "run", whole(), manifest=manifest))
    kept = dict(page.tables["Made with"][1:])
    assert kept["devices"] == "2 × {'kind': 'x'}" and kept["x.y.1"] == "b"
    assert kept["git"] == "not recorded" and "x.z" not in kept


def test_what_was_not_kept_is_said_to_be(tmp_path):
    run = write(tmp_path / "run", whole())
    for name in ("config.json", "config.gin", "manifest.json"):
        (run / name).unlink()
    page = written(tmp_path / "out", run)
    assert dict(page.tables["Made with"][1:])["git"] == "not recorded"


def test_what_is_no_run_is_refused_in_one_line(tmp_path):
    empty, silent = tmp_path / "empty", write(tmp_path / "silent", [])
    empty.mkdir()
    broken = write(tmp_path / "broken", whole())
    (broken / "config.json").write_text("{")
    odd = write(tmp_path / "odd", whole(), manifest=["3.11"])
    (tmp_path / "file").touch()
    for runs, out, words in (
        ([], "out", "none was given"),
        ([tmp_path / "gone"], "out", "there is no run directory"),
        ([empty], "out", "holds no metrics.jsonl; is it a run directory?"),
        ([silent], "out", "has recorded no start yet"),
        ([broken], "out", "config.json is not JSON"),
        ([odd], "out", "manifest.json is not as archlab writes it"),
        ([write(tmp_path / "run", whole())], "file", "is a file; --out names a directory"),
    ):
        with pytest.raises(ValueError, match="(?s)^[^\n]+$") as refused:
            report(runs, tmp_path / out)
        assert words in str(refused.value)
    assert not (tmp_path / "out").exists()


def test_what_the_models_saw_and_said_is_shown_as_text(tmp_path):
    run, other = (write(tmp_path / name, whole()) for name in ("run", "other"))
    examples.write(run, [kept(), kept("PAIR", "encoder_decoder")])
    generations.add(run, 7, Manner(), [("a <b>", "</td>"), ("c", "old")])
    generations.add(run, 9, Manner(temperature=1.0), [("c", "new")])
    generations.add(run, 9, Manner(), [("c", "latest"), ("half \ud800", "a letter")])
    page = written(tmp_path / "out", run, other)
    assert page.tables["What the models say"][1:] == [
        ["run", "7", "a <b></td>", "–"],
        ["run", "9", "clatest", "–"],
        ["run", "9", "cnew", "temperature 1.0"],
        ["run", "9", "half ?a letter", "–"],
    ]
    assert "run: second" in page.text and "run: first" in page.text and "half of it" in page.text
    assert "&lt;S0&gt;" in (tmp_path / "out/index.html").read_text()
    page = written(tmp_path / "none", other)
    assert "What the models" not in page.text and page.tags.count("details") == 1


def test_what_a_run_made_of_its_machine_is_summed_up(tmp_path):
    lines = whole()
    for number, line in enumerate(one for one in lines if one["kind"] == "train"):
        line |= {"tokens_per_second": 1000.0 * number, "waiting": 0.25}
        line["memory"] = {"resident": 2**30 - number, "device_peak": 2**20 * number}
    again = [*lines[:6], {**lines[0], "resumed_from": 4}, *lines[6:]]
    page = written(tmp_path / "out", write(tmp_path / "run", again))
    # 20 of the seconds between the first start and the last line, of which there are 12, at most
    # all; a record of no speed is none.
    assert page.tables["System"][1] == [
        *("run", "8 × cpu", "4.00 k", "4.00 k", "25.0%", "1.07 GB", "7.34 MB"),
        *("2", "12.0 s", "100.0%"),
    ]
    page = written(tmp_path / "old", write(tmp_path / "plain", whole()))
    assert page.tables["System"][1][5:7] == ["–", "–"]


def test_runs_that_were_not_given_the_same_come_with_a_note(tmp_path):
    lines = whole()
    lines[-1]["ledger"] = {**lines[-1]["ledger"], "tokens": 1200}
    runs = [write(tmp_path / name, one) for name, one in (("a", whole()), ("b", lines))]
    (said,) = notes([history.read(run, run.name) for run in runs])
    assert said.startswith("The runs are equal in loss tokens, FLOPs and parameters, and not in")
    assert "tokens (up to 1.50 times the least)" in said


def test_what_was_asked_of_runs_stands_side_by_side(tmp_path):
    runs = [write(tmp_path / name, whole()) for name in ("one", "two")]
    asked = {"weights": "w", "measure": "m", "formats": [], "step": 7, "seed": 0}
    for number, run in enumerate(runs):
        for value in (3.5, 2.5 + number):  # the later one counts
            found = Estimate(value, 2.25, 2.75, 1200)
            line = Line("infill", "nats per byte", found, 5.545, "sentinel", ("left side alone",))
            lines.add(run, [line], asked)
    alone = Line("pairs", "accuracy", Estimate(1.0, math.nan, math.nan, 1), math.nan, "causal")
    lines.add(runs[0], [alone], asked)
    page = written(tmp_path / "out", *runs)
    head, *rows = page.tables["Evaluation"]
    told = ["5.5450", "1,200", "0", "7", "sentinel, left side alone"]
    assert rows == [
        ["infill, nats per byte", "one", "2.5000", "2.2500 to 2.7500", *told],
        ["infill, nats per byte", "two", "3.5000", "2.2500 to 2.7500", *told],
        ["pairs, accuracy", "one", "1.0000", "–", "–", "1", "0", "7", "causal"],
    ]
    page = written(tmp_path / "none", write(tmp_path / "three", whole()))
    assert "Evaluation" not in page.tables


def test_a_report_loads_no_machinery_for_training():
    code = (
        "import sys; import archlab.report.page; "
        "print([n for n in ('jax', 'flax', 'tensorflow', 'seqio', 'matplotlib.pyplot') "
        "if n in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(ran.stdout) == []
