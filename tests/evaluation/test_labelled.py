import gzip
import json

import pytest

from archlab.evaluation import labelled

COPA = """<copa-corpus><item id="1" asks-for="{}" most-plausible-alternative="2">
<p>It rained.</p><a1>The sun rose.</a1><a2>The grass was wet.</a2></item></copa-corpus>"""


def test_a_table_is_two_columns_or_lines_of_json(tmp_path):
    (tmp_path / "a.tsv").write_text('it "is" good\t1\nbad\t0\n')
    (tmp_path / "a.JSONL.gz").write_bytes(gzip.compress(b'{"text": "good", "label": 1}\n\n'))
    assert labelled.table(tmp_path / "a.tsv") == (['it "is" good', "bad"], ["1", "0"])
    assert labelled.table(tmp_path / "a.JSONL.gz") == (["good"], ["1"])


@pytest.mark.parametrize("asks, link", [("cause", "because"), ("effect", "so")])
def test_copa_is_a_sentence_that_goes_on(tmp_path, asks, link):
    (tmp_path / "copa.xml").write_text(COPA.format(asks))
    (found,) = labelled.choices(tmp_path / "copa.xml")
    assert found == labelled.Choice(
        f"It rained {link}", (" the sun rose.", " the grass was wet."), 1
    )


def test_piqa_has_its_labels_beside_it(tmp_path):
    lines = [{"goal": "Open it.", "sol1": "Pull.", "sol2": "Push."}] * 2
    (tmp_path / "valid.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (tmp_path / "valid-labels.lst").write_text("1\n0\n")
    found = labelled.choices(tmp_path / "valid.jsonl")
    assert [one.label for one in found] == [1, 0]
    assert found[0].context + found[0].choices[1] == "Open it. Push."


def test_any_number_of_choices(tmp_path):
    line = {"context": "a", "choices": [" b", " c", " d"], "label": 2}
    (tmp_path / "mine.jsonl").write_text(json.dumps(line))
    assert labelled.choices(tmp_path / "mine.jsonl")[0].choices == (" b", " c", " d")


@pytest.mark.parametrize(
    "name, content, said",
    [
        (
            "a.jsonl",
            '{"context": "a", "choices": ["b"], "label": 1}',
            "label 1; it is one of 0 to 0",
        ),
        ("a.jsonl", '{"context": "a"}', "is no question that is known here"),
        ("a.jsonl", "{", "a.jsonl:1 is not JSON"),
        ("a.jsonl", "[1]", 'a.jsonl:1 is not like {"name": …}'),
        ("a.jsonl", "", "holds no question"),
        ("a.xml", "<a>", "is no XML"),
        ("a.jsonl.gz", "no gzip", "cannot be read"),
    ],
)
def test_what_is_no_question_is_named(tmp_path, name, content, said):
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=said):
        labelled.choices(tmp_path / name)


def test_a_gzipped_file_that_is_damaged_is_named(tmp_path):
    path, whole = tmp_path / "a.jsonl.gz", gzip.compress(b"{}\n" * 9)
    for raw in (whole[:-9], whole[:10] + b"\xff" * 30):
        path.write_bytes(raw)
        with pytest.raises(ValueError, match="a.jsonl.gz cannot be read"):
            labelled.choices(path)


def test_a_table_without_labels_and_a_file_that_is_not_there(tmp_path):
    (tmp_path / "a.tsv").write_text("good\t1\nbad\n")
    with pytest.raises(ValueError, match="a.tsv:2: 1 columns; a text and its label are two"):
        labelled.table(tmp_path / "a.tsv")
    with pytest.raises(ValueError, match="b.tsv is not there; --data names the folder"):
        labelled.table(tmp_path / "b.tsv")
    with pytest.raises(ValueError, match="has no text 'good'; it has bad"):
        labelled.field({"bad": "x"}, "good", tmp_path)
