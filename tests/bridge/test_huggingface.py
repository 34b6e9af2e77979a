"""Hugging Face's own library is the oracle: of names, of logits, of what is written next.

What is measured on the way is what `make parity` makes its page of.
"""

import dataclasses
import json
import os
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
import torch
import transformers

from archlab.bridge import families, huggingface, words
from archlab.data.vocabulary import Vocabulary
from archlab.generation.generate import generate
from archlab.generation.manner import Manner
from archlab.model import position
from archlab.model.transformer import Transformer
from tests.bridge import models, oracle

MOST = 1e-4
PROMPTS, TOKENS = 100, 8
# Each of these compiles for seconds, so the suite has one of each kind, and the page all.
IS_WHOLE = bool(os.environ.get("ARCHLAB_PARITY"))
# Nothing of these is folded into weights.
EXACT = ["Llama", "Llama, tied", "Llama 3.1 and later", "GPT-2", "ModernBERT"]
FILLED = ["BERT", "ModernBERT"]
CONTINUED = [*oracle.CONFIGURATIONS] if IS_WHOLE else ["T5 1.1, Flan-T5, T5-LM", "Llama"]


@pytest.fixture(scope="module", params=oracle.CONFIGURATIONS)
def name(request):
    """What the page calls a model."""
    return request.param


@pytest.fixture(scope="module")
def stored(name, tmp_path_factory):
    """A model of theirs, and the folder that it was saved to."""
    theirs = oracle.drawn(name)
    folder = tmp_path_factory.mktemp("theirs")
    theirs.save_pretrained(folder)
    return theirs, folder


@pytest.fixture(scope="module")
def read(stored):
    """The same as archlab reads it."""
    return huggingface.read(stored[1])


@pytest.fixture
def measured(record_property):
    """Keeps what was measured of a model, for the page."""

    def measured(name: str, **numbers) -> None:
        for what, number in numbers.items():
            record_property(f"{name}: {what}", number)

    return measured


def test_what_is_read_has_their_logits_and_their_parameters(name, stored, read, measured):
    theirs, _ = stored
    table = families.of(read.size, read.architecture).table(read.size, read.architecture)
    assert table.parameters == sum(one.numel() for one in theirs.parameters())
    found, largest = oracle.differ(read, theirs)
    measured(name, imported=found, largest=largest)
    assert found <= MOST and largest > 0.1


@pytest.mark.parametrize("most, files", [(9000, 3), (10**9, 1)])
def test_what_is_written_has_the_same_and_is_read_again_to_the_bit(
    name, stored, read, measured, tmp_path, most, files
):
    huggingface.write(read, tmp_path, most)
    many = len(list(tmp_path.glob("*.safetensors")))
    assert many == 1 if files == 1 else many >= files
    theirs = oracle.load(tmp_path, read)
    was, now = (one.state_dict() for one in (stored[0], theirs))
    assert was.keys() == now.keys()
    if name in EXACT:
        assert all(torch.equal(array, now[path]) for path, array in was.items())
    found = oracle.differ(read, theirs)[0]
    again = models.largest_difference(huggingface.read(tmp_path), read)
    measured(name, **{"exported" if files == 1 else "sharded": found}, again=again)
    assert found <= MOST
    models.assert_equal(huggingface.read(tmp_path), read)


def test_what_was_trained_here_has_the_same_logits_there(name, read, measured, tmp_path):
    """However archlab scales it: all that weights have to make up for, at once."""
    size = dataclasses.replace(read.size, base_embed=7, base_kv=3)
    architecture = dataclasses.replace(read.architecture, scaled=True, output_scale=0.8)
    model = dataclasses.replace(models.of(architecture, size), length=31)
    huggingface.write(model, tmp_path)
    found, largest = oracle.differ(model, oracle.load(tmp_path, model))
    measured(name, ours=found)
    assert found <= MOST and largest > 0.1
    again = huggingface.read(tmp_path)
    assert (again.size, again.architecture) == (read.size, read.architecture)


def continued(theirs, model, prompts_BL: np.ndarray, **how) -> list[list[int]]:
    """What they say after prompts, without the end."""
    given_BL, end = prompts_BL, model.vocabulary.end
    is_decoder = model.architecture.kind == "decoder"
    if is_decoder:
        start_BL = np.full((len(prompts_BL), 1), model.vocabulary.start)
        given_BL = np.concatenate([start_BL, prompts_BL], axis=1)
    given = torch.tensor(given_BL, dtype=torch.long)
    more = {"max_new_tokens": TOKENS, "do_sample": False, "pad_token_id": 0, **how}
    said = theirs.generate(given, attention_mask=torch.ones_like(given), **more)
    lines = said[:, given_BL.shape[1] if is_decoder else 1 :].tolist()
    return [line[: line.index(end)] if end in line else line for line in lines]


@pytest.mark.parametrize("name", [name for name in CONTINUED if name not in FILLED])
def test_a_hundred_prompts_are_continued_as_they_continue_them(name, measured, tmp_path):
    """The likeliest token each time; and by beams, where a penalty of 0 is the same for both."""
    theirs = oracle.drawn(name)
    theirs.save_pretrained(tmp_path)
    model = huggingface.read(tmp_path)
    prompts_BL = oracle.ids(PROMPTS, 11)
    ours, least = Transformer(model.size, model.architecture), PROMPTS
    for beams in (1, 3):
        how = {"num_beams": 3, "length_penalty": 0.0, "early_stopping": "never"}
        wanted = continued(theirs, model, prompts_BL, **(how if beams > 1 else {}))
        assert len({*map(tuple, wanted)}) > PROMPTS / 5  # or they would be easily the same
        given, manner = prompts_BL.tolist(), Manner(TOKENS, beams=beams)
        found = generate(ours, model.weights, model.vocabulary, given, manner, PROMPTS)
        equal = sum(one.ids == line for one, line in zip(found, wanted, strict=True))
        least = min(least, equal)
    measured(name, continued=least)
    assert least == PROMPTS


@pytest.mark.parametrize("name", FILLED)
def test_a_hundred_rows_are_filled_in_as_they_fill_them_in(name, measured, tmp_path):
    theirs = oracle.drawn(name)
    theirs.save_pretrained(tmp_path)
    model, read_BL = huggingface.read(tmp_path), oracle.ids(PROMPTS, 23)
    with torch.no_grad():
        wanted_BLV = theirs(torch.tensor(read_BL, dtype=torch.long)).logits.numpy()
    found_BLV = models.logits(model, read_BL)
    equal = (found_BLV.argmax(-1) == wanted_BLV.argmax(-1)).all(-1)
    measured(name, continued=int(equal.sum()))
    assert equal.all() and len({*map(tuple, wanted_BLV.argmax(-1).tolist())}) > PROMPTS / 2


def test_the_page_has_every_model_and_no_cell_is_empty():
    lines = (Path(__file__).parents[2] / "docs" / "parity.md").read_text().splitlines()
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line[:2] == "| "]
    assert [row[0] for row in cells[2:]] == [*oracle.CONFIGURATIONS]
    for row in cells[2:]:
        apart, again, prompts = row[1:5], row[5], row[6]
        assert all(float(one) <= MOST for one in apart)
        assert float(again) == 0 and prompts == f"{PROMPTS} of {PROMPTS}"


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_halves_are_read_as_they_are(tmp_path, dtype):
    theirs = oracle.drawn("Llama").to(dtype)
    theirs.save_pretrained(tmp_path)
    model = huggingface.read(tmp_path)
    found = model.weights["decoder"]["layers"]["mlp"]["up_DF"]
    wanted = [layer.mlp.up_proj.weight.T.float() for layer in theirs.model.layers]
    np.testing.assert_array_equal(found, torch.stack(wanted).detach().numpy())


@pytest.mark.parametrize("buckets", [8, 32, 64])
@pytest.mark.parametrize("ahead", [True, False])
def test_distances_fall_into_their_buckets(buckets, ahead):
    """Those at which a row of theirs changes its bias, too."""
    distance_P = np.arange(-600, 601)
    attention = transformers.models.t5.modeling_t5.T5Attention
    wanted = attention._relative_position_bucket(torch.tensor(distance_P), ahead, buckets, 128)
    found = position.bucket(jnp.asarray(distance_P), buckets, ahead)
    np.testing.assert_array_equal(found, wanted.numpy())


@pytest.mark.parametrize(
    "path, settings, kind",
    [
        ("", {}, "t5"),
        ("mine.model", {"seqio_ids": 100}, "t5"),
        ("mine.json", {"start": 0}, "llama"),
        ("gpt/encoder.json", {}, "gpt2"),
        ("vocab.txt", {}, "bert"),
    ],
)
def test_their_tokenizers_read_what_is_beside_the_weights(home, tmp_path, path, settings, kind):
    vocabulary = Vocabulary(str(home / path) if path else "", **settings)
    words.write(vocabulary, tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": kind}))
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    text = "the cat sees a dog under the tree"
    assert theirs(text, add_special_tokens=False).input_ids == vocabulary.encode(text)
    if kind == "t5":
        assert (theirs.pad_token_id, theirs.eos_token_id) == (vocabulary.pad, vocabulary.end)
    if settings.get("seqio_ids"):
        assert theirs.convert_tokens_to_ids("<extra_id_0>") == vocabulary.sentinel(0)
