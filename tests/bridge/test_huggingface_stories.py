"""A model that others trained, on children's stories, writes here what it writes there.

stories260K is a Llama in the form of llama2.c, with the ids and the logits that its own code makes.
It lies beside the checkout, if it was put there; nothing needs it.
"""

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import tokenizers

from archlab.bridge import folders, runs
from archlab.evaluation import runs as subjects
from archlab.evaluation.formats import Span
from archlab.generation.generate import generate
from archlab.generation.manner import Manner
from archlab.trained import load
from tests.bridge import models

FOUND = sorted(Path(__file__).parents[3].glob("*/data/golden/stories260K"))[:1]
HEADER = ("embed", "mlp", "layers", "heads", "kv_heads", "vocab", "length")


def arrays(path: Path) -> tuple[dict[str, int], dict[str, np.ndarray]]:
    """What a file of llama2.c's first version holds: seven numbers, then the arrays."""
    raw = path.read_bytes()
    said = dict(zip(HEADER, struct.unpack("<7i", raw[:28]), strict=True))
    rest = np.frombuffer(raw, "<f4", offset=28)
    d, f, n, v = (said[name] for name in ("embed", "mlp", "layers", "vocab"))
    keys = d * said["kv_heads"] // said["heads"]
    shapes = {"table": (v, d), "attention_norm": (n, d), "query": (n, d, d), "key": (n, keys, d)}
    shapes |= {"value": (n, keys, d), "out": (n, d, d), "mlp_norm": (n, d), "gate": (n, f, d)}
    shapes |= {"down": (n, d, f), "up": (n, f, d), "norm": (d,)}
    found, at = {}, 0
    for name, shape in shapes.items():
        many = int(np.prod(shape))
        found[name] = rest[at : at + many].reshape(shape)
        at += many
    return said, found


def halves(array: np.ndarray, heads: int) -> np.ndarray:
    """Rows of heads that turn neighbours, as rows of heads that turn one half with the other."""
    rows, columns = array.shape
    pairs = array.reshape(heads, rows // heads // 2, 2, columns)
    return np.ascontiguousarray(pairs.swapaxes(1, 2).reshape(rows, columns))


def pieces(path: Path) -> list[tuple[str, float]]:
    """The vocabulary of llama2.c: the longest, then score, length and bytes of each piece."""
    raw, at, found = path.read_bytes(), 4, []
    while at < len(raw):
        score, length = struct.unpack_from("<fi", raw, at)
        found.append((raw[at + 8 : at + 8 + length].decode(), score))
        at += 8 + length
    return found


def tokenizer(path: Path) -> str:
    """The same as a tokenizer.json: the better a piece's score, the earlier it is merged."""
    known = [(piece.strip("\n") if at in (1, 2) else piece, score)
             for at, (piece, score) in enumerate(pieces(path))]  # fmt: skip
    vocab = {piece: token for token, (piece, _) in enumerate(known)}
    merges = [
        (-score, piece[:cut], piece[cut:])
        for piece, score in known[259:]
        for cut in range(1, len(piece))
        if piece[:cut] in vocab and piece[cut:] in vocab
    ]
    pairs = [(left, right) for _, left, right in sorted(merges)]
    made = tokenizers.Tokenizer(
        tokenizers.models.BPE(vocab, pairs, unk_token="<unk>", byte_fallback=True, fuse_unk=True)
    )
    made.normalizer = tokenizers.normalizers.Prepend(" ")
    one = tokenizers.decoders
    made.decoder = one.Sequence([one.ByteFallback(), one.Fuse(), one.Strip(" ", 1, 0)])
    made.add_special_tokens([tokenizers.AddedToken(name) for name in ("<unk>", "<s>", "</s>")])
    return made.to_str()


@pytest.fixture(scope="module", params=FOUND, ids=lambda path: path.name)
def stories(request, tmp_path_factory):
    """The model, by way of a folder of Hugging Face's, and what its own code makes."""
    home, folder = request.param, tmp_path_factory.mktemp("stories")
    said, found = arrays(home / "stories260K.bin")
    stored = {"model.embed_tokens.weight": found["table"], "model.norm.weight": found["norm"]}
    names = {"query": "self_attn.q_proj", "key": "self_attn.k_proj", "value": "self_attn.v_proj"}
    names |= {"out": "self_attn.o_proj", "gate": "mlp.gate_proj", "up": "mlp.up_proj"}
    names |= {"down": "mlp.down_proj", "attention_norm": "input_layernorm"}
    names |= {"mlp_norm": "post_attention_layernorm"}
    turned = {"query": said["heads"], "key": said["kv_heads"]}
    for own, name in names.items():
        for layer, array in enumerate(found[own]):
            array = halves(array, turned[own]) if own in turned else array
            stored[f"model.layers.{layer}.{name}.weight"] = array
    safetensors.numpy.save_file(stored, folder / "model.safetensors", {"format": "pt"})
    config = {
        "model_type": "llama",
        "hidden_size": said["embed"],
        "intermediate_size": said["mlp"],
        "num_hidden_layers": said["layers"],
        "num_attention_heads": said["heads"],
        "num_key_value_heads": said["kv_heads"],
        "vocab_size": said["vocab"],
        "max_position_embeddings": said["length"],
        "rms_norm_eps": 1e-5,
        "tie_word_embeddings": True,
        "bos_token_id": 1,
        "eos_token_id": 2,
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").write_text(tokenizer(home / "tok512.bin"))
    return folder, np.load(home / "stories260K_golden.npz")


def test_it_writes_the_same_story(stories, tmp_path):
    folder, golden = stories
    runs.make(folders.read(folder), tmp_path / "run", "stories260K")
    read, wanted = load(tmp_path / "run"), golden["greedy_ids"].tolist()
    words = read.vocabulary
    assert (words.start, words.end, wanted[0]) == (1, 2, 1)
    many = len(wanted) - 1
    (said,) = generate(read.model, read.weights, words, [[]], Manner(many))
    found = said.ids
    assert found == wanted[1:]
    story = words.decode(found)
    assert story.startswith("Once upon a time, there was a")
    assert words.encode(story)[: many // 2] == found[: many // 2]


def test_it_has_the_same_logits(stories):
    folder, golden = stories
    model = folders.read(folder)
    found_BLV = models.logits(model, golden["greedy_ids"][None].astype(np.int32))
    np.testing.assert_allclose(found_BLV[0], golden["logits"], atol=1e-4)
    assert np.abs(golden["logits"]).max() > 5


def test_it_comes_back_to_the_bit(stories, tmp_path):
    model = folders.read(stories[0])
    folders.write(model, tmp_path / "out")
    stored = safetensors.numpy.load_file(stories[0] / "model.safetensors")
    back = safetensors.numpy.load_file(tmp_path / "out" / "model.safetensors")
    assert stored.keys() == back.keys()
    for name, array in stored.items():
        np.testing.assert_array_equal(back[name], array)


def test_its_story_costs_what_its_own_logits_say(stories, tmp_path):
    """Asked as runs are, cut anywhere: a golden text is the likeliest, token by token."""
    folder, golden = stories
    runs.make(folders.read(folder), tmp_path / "run", "stories260K")
    subject = subjects.of(load(tmp_path / "run"), "stories260K")
    assert subject.format().said == "causal" and subject.row.total == 512
    ids, logits_LV = golden["greedy_ids"][1:], golden["logits"].astype(np.float64)
    normal_L = np.log(np.exp(logits_LV).sum(axis=1))
    nats_L = (normal_L - logits_LV[np.arange(len(logits_LV)), np.append(ids, 0)])[: len(ids)]
    cuts = (0, 5, 120)
    spans = [Span(tuple(ids[:cut]), tuple(ids[cut : cut + 60])) for cut in cuts]
    found = subject.scorer.spans(spans, subject.format())
    wanted = [nats_L[cut : cut + 60].sum() for cut in cuts]
    np.testing.assert_allclose(found.nats_S, wanted, rtol=1e-4)
    assert found.is_best_S.all() and not found.is_cut_S.any()
    other = Span(tuple(ids[:5]), (int(ids[5]) + 1,))
    assert not subject.scorer.spans([other], subject.format()).is_best_S[0]
