import dataclasses

import pytest

from archlab import agreement
from archlab.architecture import Architecture
from archlab.data.vocabulary import Vocabulary
from archlab.program import Program
from archlab.refusal import Refusal
from archlab.start import Start
from archlab.surgery.choices import Surgery
from tests import corpus

BYTES, NUMBERS = Vocabulary(), Vocabulary("ids:60,0,1,60")


@dataclasses.dataclass
class Read:
    """What of a recipe is asked here."""

    vocabulary: Vocabulary

    @property
    def content(self) -> dict:
        return {"vocabulary": self.vocabulary.spec()}


def programs(vocabs=(384, 384), surgery=None) -> list[Program]:
    stages = [
        corpus.stage(name, size=dataclasses.replace(corpus.SIZE, vocab=vocab), surgery=own)
        for name, vocab, own in zip(
            ("causal_lm", "prefix_lm"), vocabs, (surgery, Surgery()), strict=True
        )
    ]
    if len(set(vocabs)) == 1:
        stages[1] = dataclasses.replace(stages[1], surgery=None)
    run = corpus.run(None, "prefix_decoder", stages, start="there" if surgery else None)
    return [Program(run, number, None) for number in range(2)]


def recipes(first: Vocabulary = BYTES, second: Vocabulary = BYTES) -> dict:
    return {"folder_causal_lm": Read(first), "folder_prefix_lm": Read(second)}


def test_every_stage_s_table_has_room_for_the_ids():
    agreement.check(programs(), recipes())
    agreement.check(programs((384, 512)), recipes())
    with pytest.raises(Refusal, match="Size.vocab=380 is too small for folder_prefix_lm") as caught:
        agreement.check(programs((384, 380)), recipes())
    assert (caught.value.about, caught.value.stage) == ("Size.vocab", 1)


def test_a_run_has_one_vocabulary():
    with pytest.raises(Refusal, match="folder_prefix_lm and folder_causal_lm have different"):
        agreement.check(programs(), recipes(BYTES, NUMBERS))


def start(spec: dict) -> Start:
    return Start("there", None, "", Architecture("causal_decoder"), corpus.SIZE, spec)


def test_weights_know_the_text_s_ids_or_surgery_accounts_for_it():
    first = programs()[0]
    assert agreement.differences(start(BYTES.spec()), first, recipes()) == []
    above = BYTES.spec() | {"sentinels": 200, "size": 512}
    (said,) = agreement.differences(start(above), first, recipes())
    assert said == "ids above the text's are not those that the weights of there know"
    other = {"path": "mine.model", "sentinels": 100, "size": 384, "sha256": "0"}
    with pytest.raises(Refusal, match="know the ids of mine.model, .* those of bytes") as caught:
        agreement.differences(start(other), first, recipes())
    assert caught.value.about == "Run.start"
    (said,) = agreement.differences(start(other), programs(surgery=Surgery())[0], recipes())
    assert said.startswith("the text's ids are not those")
