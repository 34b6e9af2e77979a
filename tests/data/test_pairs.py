"""Pairs are what their files say, held out with the document that they come from."""

import ast
import json
import textwrap

import pytest

from archlab.data import pairs, sources

MODULE = '''
import math

class Disc:
    def area(self, radius):
        """Area of a disc.

        More of it.
        """
        # by the books
        return math.pi * radius**2

    async def later(self):
        "Comes
        later."
        return 1

    def silent(self):
        return 2

    def only_said(self):
        """Says and does nothing."""

    def short(self): "On one line."; return 3

    @property
    def blank(self):
        """ """
        return 4
'''.replace('"Comes\n        later."', '"Comes \\\n        later."')


def test_a_function_is_asked_and_what_it_does_is_said():
    found = dict(pairs.described(MODULE.encode()))
    assert sorted(found.values()) == ["Area of a disc.", "Comes later."]
    by_text = {said: asked for asked, said in found.items()}
    assert by_text["Area of a disc."] == textwrap.dedent(
        """\
        def area(self, radius):
            # by the books
            return math.pi * radius**2"""
    )
    for asked, said in found.items():
        (function,) = ast.parse(asked).body
        assert ast.get_docstring(function) is None and said not in asked


def test_functions_are_found_wherever_one_may_stand_in_the_order_of_the_tree():
    def one(name: str, *within: str) -> str:
        held = "\n".join(within)
        return f"def {name}():\n    'Says {name}.'\n{textwrap.indent(held, '    ')}\n    return 1\n"

    def under(head: str, name: str) -> str:
        return f"{head}:\n{textwrap.indent(one(name), '    ')}"

    parts = [
        *(under(head, f"loop{n}") for n, head in enumerate(("for x in y", "else"))),
        *(under(head, f"long{n}") for n, head in enumerate(("while x", "else"))),
        *(under(head, f"case{n}") for n, head in enumerate(("if x", "elif y", "else"))),
        *(under(head, f"try{n}") for n, head in enumerate(("try", "except A", "else", "finally"))),
        under("match x:\n case 1", "match"),
        under("class A", "own"),
        under("with x", "with_"),
        under("async def outer()", "inner"),
        one("around", one("within")),
    ]
    module = "\n".join(parts)
    walked = [ast.get_docstring(node) for node in ast.walk(ast.parse(module)) if is_function(node)]
    found = [said for _, said in pairs.described(module.encode())]
    assert found == [said for said in walked if said] and len(found) == 17


def is_function(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)


@pytest.mark.parametrize("content", [b"def broken(:", b"\0", b"x = '\xff'", b""])
def test_what_is_no_python_has_no_pairs(content):
    assert [*pairs.described(content)] == []


LINES = [
    ({"inputs": "2 + 2", "targets": "4"}, "kept"),
    ({"inputs": "", "targets": "said to nothing"}, "kept"),
    ({"inputs": "unanswered", "targets": " "}, "empty"),
    ({"inputs": "unanswered"}, "missing_text"),
    ({"text": "a text"}, "missing_text"),
    ({"inputs": 4, "targets": "four"}, "missing_text"),
]


def test_each_line_counts_once_and_its_fields_are_the_pair(tmp_path):
    written = [json.dumps(fields) for fields, _ in LINES] + ["{"]
    (tmp_path / "some.jsonl").write_text("\n\n".join(written))
    (tmp_path / "a.txt").write_text("no pair")
    (tmp_path / "bad.jsonl.gz").write_bytes(b"no gzip")
    own = pairs.pairs("folder", str(tmp_path))
    found = [*own.documents("train"), *own.documents("validation")]
    kept = {(fields["inputs"], fields["targets"]) for fields, bucket in LINES if bucket == "kept"}
    assert {(one.inputs, one.text) for one in found} == kept
    assert own.counts == {
        "kept": 2,
        "empty": 1,
        "missing_text": 4,
        "broken_json": 1,
        "broken_gzip": 1,
    }


def test_a_line_is_held_out_where_a_text_on_it_would_be(tmp_path):
    lines = [{"inputs": f"{n}?", "targets": str(n), "text": str(n)} for n in range(300)]
    (tmp_path / "all.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    asked, read = pairs.pairs("folder", str(tmp_path)), sources.folder(str(tmp_path))
    for split in sources.SPLITS:
        assert [one.text for one in asked.documents(split)] == [
            one.text for one in read.documents(split)
        ]


def test_the_librarys_modules_are_on_one_side_or_the_other():
    own = pairs.pairs("python_stdlib")
    kept = own.files[:: max(1, len(own.files) // 60)]
    some = pairs.Pairs(own.name, own.root, kept)
    train, held = ({one.name for one in some.documents(split)} for split in sources.SPLITS)
    assert len(train) > 20 and len(train & held) <= 1  # the first pair of all is always learnt from
