"""The harness gives the same numbers of a run as its own backend gives of the run exported."""

import functools
import json
import os

os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"

import lm_eval  # noqa: E402 - after the environment is set
import numpy as np  # noqa: E402
import pytest  # noqa: E402
import tokenizers  # noqa: E402
from lm_eval.api.instance import Instance  # noqa: E402
from lm_eval.models.huggingface import HFLM  # noqa: E402
from lm_eval.tasks import TaskManager  # noqa: E402

from archlab.architecture import Architecture  # noqa: E402
from archlab.bridge import folders  # noqa: E402
from archlab.data.row import DECODER, ENCODER, PAIR, Row  # noqa: E402
from archlab.data.vocabulary import Vocabulary  # noqa: E402
from archlab.evaluation import harness, scorer  # noqa: E402
from archlab.evaluation.formats import Format, Span  # noqa: E402
from archlab.evaluation.harness import Harness, manners  # noqa: E402
from archlab.evaluation.subject import Subject  # noqa: E402
from archlab.generation.generate import Text  # noqa: E402
from archlab.generation.manner import Manner  # noqa: E402
from archlab.model.transformer import Transformer  # noqa: E402
from archlab.size import Size  # noqa: E402
from tests import corpus  # noqa: E402
from tests.bridge import models  # noqa: E402

LENGTH = 96
SHAPES = {
    "causal_decoder": Architecture("causal_decoder", tied=False, scaled=False),
    # Of a head that is not the table, the harness's own backend would make one that is.
    "encoder_decoder": Architecture("encoder_decoder", "relative", "relu"),
}
TASKS = {
    "choices": {
        "output_type": "multiple_choice",
        "doc_to_text": "{{text}}",
        "doc_to_choice": "{{choices}}",
        "doc_to_target": "{{label}}",
        "metric_list": [{"metric": "acc"}, {"metric": "acc_norm"}],
    },
    "whole": {
        "output_type": "loglikelihood_rolling",
        "doc_to_text": "",
        "doc_to_target": "{{text}}",
        "metric_list": [{"metric": "word_perplexity"}],
    },
    "said": {
        "output_type": "generate_until",
        "doc_to_text": "{{text}}",
        "doc_to_target": "{{choices[0]}}",
        "generation_kwargs": {"until": ["e"], "max_gen_toks": 12, "do_sample": False},
        "metric_list": [{"metric": "exact_match"}],
    },
}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A tokenizer and tasks over a local file."""
    home = tmp_path_factory.mktemp("harness")
    os.environ["HF_DATASETS_CACHE"] = str(home / "cache")
    texts = [path.read_text() for path in corpus.written(home / "texts").iterdir()]
    made = tokenizers.ByteLevelBPETokenizer()
    made.train_from_iterator(texts, 300, special_tokens=["<s>", "</s>", "<pad>"])
    made.save(str(home / "mine.json"))
    docs = [
        {
            "text": f"the {one} sees a {two}",
            "choices": [" under the tree", " and the cat runs", " dog"],
            "label": number % 3,
        }
        for number, (one, two) in enumerate([("cat", "dog"), ("dog", "tree"), ("man", "cat")])
    ]
    (home / "docs.jsonl").write_text("".join(json.dumps(one) + "\n" for one in docs))
    for name, task in TASKS.items():
        data = {"dataset_path": "json", "test_split": "test", "task": name}
        files = {"data_files": {"test": str(home / "docs.jsonl")}}
        (home / f"{name}.yaml").write_text(json.dumps({**task, **data, "dataset_kwargs": files}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scorer, "TOKENS", 4 * LENGTH)  # of a batch, since there is little to ask
        yield home


def subject(home, architecture: Architecture) -> tuple[Subject, models.Model]:
    words = Vocabulary(str(home / "mine.json"))
    size = Size(layers=2, embed=24, mlp=40, heads=3, kv=10, vocab=words.size, buckets=8)
    model = models.of(architecture, size, words)
    row = Row(LENGTH, LENGTH, PAIR) if architecture.kind == PAIR else Row(0, LENGTH, DECODER)
    network = Transformer(size, architecture)
    return Subject("mine", network, model.weights, words, row, ()), model


def answers(model, home, *tasks: str) -> dict[str, list]:
    """What the harness got of each task, document by document."""
    found = lm_eval.simple_evaluate(
        model,
        tasks=[*tasks],
        task_manager=TaskManager(include_path=str(home), include_defaults=False),
        bootstrap_iters=0,
    )
    return {name: [one["resps"] for one in found["samples"][name]] for name in tasks}


@pytest.mark.parametrize("name", SHAPES)
def test_a_run_is_what_its_export_is(home, tmp_path, name):
    own, model = subject(home, SHAPES[name])
    folders.write(model, tmp_path / "out")
    theirs = HFLM(
        pretrained=str(tmp_path / "out"),
        dtype="float32",
        device="cpu",
        batch_size=2,
        max_length=LENGTH,
        backend="causal" if name == "causal_decoder" else "seq2seq",
        prefix_token_id=own.words.start if name == "causal_decoder" else own.words.end,
    )
    begun = tokenizers.processors.TemplateProcessing("<pad> $A", None, [("<pad>", own.words.start)])
    theirs.tokenizer.backend_tokenizer.post_processor = begun
    found, wanted = answers(Harness(own, harness.form(own)), home, *TASKS), {}
    for task in TASKS:
        # Of what a decoder reads, its tokenizer makes a start; before a whole text theirs has one.
        theirs.add_bos_token = name == "causal_decoder" and task != "whole"
        wanted |= answers(theirs, home, task)
    for one, other in zip(found["choices"], wanted["choices"], strict=True):
        for ((nats, is_best),), ((their_nats, their_best),) in zip(one, other, strict=True):
            assert abs(float(nats) - float(their_nats)) < 1e-3 and is_best == their_best
    assert np.ptp([float(one[0][0][0]) for one in found["choices"]]) > 0.1
    for one, other in zip(found["whole"], wanted["whole"], strict=True):
        assert abs(float(one[0][0]) - float(other[0][0])) < 1e-3
    for one, other in zip(found["said"], wanted["said"], strict=True):
        said, their = one[0][0], other[0][0]
        # Theirs lets an encoder-decoder say as many tokens more as it has read.
        assert said == their if own.row.kind == DECODER else their.startswith(said)
    assert len({str(one) for one in found["said"]}) > 1 and any(one[0][0] for one in found["said"])


@pytest.fixture(scope="module")
def small(home):
    """A decoder behind the harness, and its model."""
    own, _ = subject(home, SHAPES["causal_decoder"])
    return Harness(own, harness.form(own), 2)


def asked(*arguments) -> Instance:
    return Instance("", {}, arguments, 0)


def test_a_whole_text_that_is_longer_than_a_row_is_said_in_pieces(small):
    text = " the cat sees a dog under the tree" * 30
    ids = small.subject.words.encode(text)
    assert len(ids) > 2 * LENGTH
    found = small.loglikelihood_rolling([asked(text), asked("")])
    wanted = small.subject.scorer.spans([Span((), tuple(ids))], Format("causal"))
    assert found == [-wanted.nats_S[0], 0.0] and wanted.is_cut_S[0]


def test_texts_are_continued_in_their_order_each_with_its_own_settings(small, monkeypatch):
    words, called = small.subject.words, []

    def backwards(model, weights, vocabulary, given, manner, at_once, is_shifted):
        called.append((manner, at_once, is_shifted, [len(one) for one in given]))
        return [Text([words.mask, *words.encode("dog. cat")], -1.0, True) for _ in given]

    monkeypatch.setattr(harness, "generate", backwards)
    one = {"until": [], "max_gen_toks": 4, "do_sample": False}
    two = {"until": "a", "max_new_tokens": 900, "temperature": 0.7, "top_k": 5}
    texts = ["the cat", "a dog", "the cat sees" * 40]
    found = small.generate_until(
        [asked(text, how) for text, how in zip(texts, (one, two, one), strict=True)]
    )
    assert found == ["dog. cat", "dog. c", "dog. cat"]
    short = [len(words.encode(text)) for text in texts]
    # Of a row, what is read and said with the start before it fill all or less.
    assert called == [
        (Manner(4), 2, False, [short[0], LENGTH - 4 - 1]),
        (Manner(LENGTH // 2, 0.7, 5), 2, False, [short[1]]),
    ]


def test_what_generation_has_no_setting_for_is_named():
    settings = {"until": ["."], "num_beams": 3, "do_sample": False, "top_p": 0.5}
    assert manners(settings, 99) == (Manner(99, beams=3), ["."])
    drawn = {"do_sample": True, "temperature": 0.5, "top_k": 7, "max_gen_toks": 9}
    assert manners(drawn, 99) == (Manner(9, 0.5, 7), [])
    with pytest.raises(ValueError, match="repetition_penalty: generation has no such setting"):
        manners({"repetition_penalty": 2.0}, 99)


@pytest.mark.parametrize(
    "kind, visibility, formats, found",
    [
        (DECODER, "causal", (), Format("causal")),
        (DECODER, "prefix", (Format("sentinel"),), Format("prefix")),
        (
            DECODER,
            "causal",
            (Format("sentinel", "R"), Format("prefix", "S")),
            Format("prefix", "S"),
        ),
        (PAIR, "causal", (Format("sentinel"),), Format("prefix")),
        (ENCODER, "full", (Format("bound"),), Format("bound")),
    ],
)
def test_a_run_is_asked_to_go_on(kind, visibility, formats, found):
    name = {PAIR: "encoder_decoder", ENCODER: "encoder"}.get(kind, f"{visibility}_decoder")
    model = Transformer(models.SIZE, Architecture(name))
    own = Subject("mine", model, {}, models.NUMBERS, Row(9, 9, kind), formats)
    assert harness.form(own) == found


def test_a_format_that_continues_nothing_is_refused(small):
    other = Harness(small.subject, Format("infilling"))
    with pytest.raises(ValueError, match="format infilling continues no text; causal or prefix"):
        other.generate_until([asked("the cat", {"until": []})])


def test_tasks_are_taken_by_name_and_told_in_a_table(small, home, monkeypatch):
    found = harness.results(small, ["choic*"], home, limit=2)
    assert {*found["results"]} == {"choices"} and found["n-samples"]["choices"]["effective"] == 2
    assert "choices" in harness.table(found)
    few = functools.partial(
        TaskManager, include_path=str(home), include_defaults=False
    )  # of the harness's own
    monkeypatch.setattr(harness, "TaskManager", lambda **given: few())
    with pytest.raises(ValueError, match="no task 'choicse', did you mean 'choices'"):
        harness.results(small, ["choicse"], home)
