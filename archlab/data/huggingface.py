"""Hugging Face tokenizers: tokenizer.json, GPT-2's encoder.json + vocab.bpe, BERT's vocab.txt.

The ids are those of the `tokenizers` library without its additions: no start or end around a text,
no cut at a length, no dropout. Two things are archlab's own:

Pad, end and unknown. Each is the first name of `ROLES` among the file's added tokens; unknown is
before that what its model calls so. What the file lacks comes on top of its ids. GPT-2:

  0 …… 50255 text · 50256 end, its own <|endoftext|> · 50257 pad · 50258 unknown

Text that reads like a special token. The library would make "<|endoftext|>" in a document the end
of it. Here each of those three, and whatever else the file marks special, keeps its id under
another name, drawn when the file is read, that no text can spell. Its letters are then text like
any other: "<", "|", "end", "of", "text", "|", ">".
"""

import itertools
import json
import secrets
from pathlib import Path

import numpy as np

ROLES = {
    "pad": ("<pad>", "[PAD]", "<PAD>", "<|pad|>", "<|padding|>"),
    "end": ("</s>", "<eos>", "[EOS]", "<|eos|>", "[SEP]", "<|end_of_text|>", "<|endoftext|>"),
    "unknown": ("<unk>", "[UNK]", "<UNK>", "<|unk|>"),
}
UNUSED = "<unused>"  # an id that stands for nothing


class HuggingFace:
    """A tokenizer of Hugging Face's; a `Tokenizer` of `archlab.data.tokenizers`.

    Args:
      path: of the file, whose name says what it is.
      raw: its bytes.
      merges: those of the vocab.bpe beside an encoder.json.

    Raises:
      ValueError: it cannot be read, has no unknown token and needs one, or would get other ids.
    """

    def __init__(self, path: Path, raw: bytes, merges: bytes | None = None):
        import tokenizers

        try:
            content = _content(path, raw, merges)
            known = _known(content)
            roles = _roles(content, known)
            special = {one["content"] for one in content["added_tokens"] if one["special"]}
            special |= set(roles.values()) - {None}
            fresh = itertools.count(max(known.values()) + 1)
            ids = {role: known[name] if name else next(fresh) for role, name in roles.items()}
            _hide(content, special, roles["unknown"], ids["unknown"])
            self._tokenizer = tokenizers.Tokenizer.from_str(json.dumps(content))
        except Exception as error:  # the library raises nothing more precise
            reason = error if isinstance(error, ValueError) else repr(error)
            raise ValueError(f"{path} cannot be read as a tokenizer: {reason}") from error
        for one in content["added_tokens"]:
            found = self._tokenizer.token_to_id(one["content"])
            if found != one["id"]:
                raise ValueError(
                    f"{path} adds a token at {one['id']}, where the library has {found}"
                )
        self.pad, self.end, self.unknown = (ids[role] for role in ROLES)
        self.text = max(known.values()) + 1
        unused = dict.fromkeys(set(range(self.text)) - set(known.values()), UNUSED)
        self.special = unused | {known[name]: name for name in special}

    def encode(self, text: str) -> list[int]:
        """Args: text: that can be UTF-8. Returns: its ids."""
        return self._tokenizer.encode(text, add_special_tokens=False).ids

    def encode_all(self, texts: list[str]) -> list[np.ndarray]:
        """Args: texts: that can be UTF-8. Returns: int32 ids of each."""
        found = self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        return [np.asarray(one.ids, np.int32) for one in found]

    def decode(self, ids: list[int]) -> str:
        """Args: ids: none special. Returns: their text, as the file's decoder joins them."""
        return self._tokenizer.decode(ids, skip_special_tokens=False)


def _content(path: Path, raw: bytes, merges: bytes | None) -> dict:
    """What a tokenizer.json says, or would say."""
    import tokenizers

    text = raw.decode()
    if merges is not None:
        pairs = [tuple(line.split(" ")) for line in merges.decode().split("\n")]
        pairs = [pair for pair in pairs if len(pair) == 2 and pair[0] != "#version:"]
        vocab, merged = json.loads(text), {"".join(pair) for pair in pairs}
        made = tokenizers.ByteLevelBPETokenizer(vocab, pairs)
        # The files mark nothing; but what is longer than a byte and is never merged is no text.
        made.add_special_tokens([one for one in vocab if len(one) > 1 and one not in merged])
        return json.loads(made.to_str())
    if path.suffix == ".txt":
        lines = text.removesuffix("\n").replace("\r\n", "\n").split("\n")
        vocab = {piece: token for token, piece in enumerate(lines)}
        # The file does not say whether it is for lower case: one that has no capitals is.
        is_lower = not any(piece != piece.lower() for piece in lines if piece[:1] != "[")
        return json.loads(tokenizers.BertWordPieceTokenizer(vocab, lowercase=is_lower).to_str())
    return json.loads(text)


def _known(content: dict) -> dict[str, int]:
    """The id of every token that a file holds."""
    vocab = content["model"]["vocab"]
    if isinstance(vocab, list):  # Unigram's
        vocab = {piece: token for token, (piece, _) in enumerate(vocab)}
    return vocab | {one["content"]: one["id"] for one in content["added_tokens"]}


def _roles(content: dict, known: dict[str, int]) -> dict[str, str | None]:
    """What a file calls pad, end and unknown; None for what it lacks."""
    # Not among all that it knows: a model may have learnt to write "[SEP]" as one piece of text.
    added, model = {one["content"] for one in content["added_tokens"]}, content["model"]
    roles = {
        role: next((name for name in names if name in added), None) for role, names in ROLES.items()
    }
    own, at, vocab = model.get("unk_token"), model.get("unk_id"), model["vocab"]
    if isinstance(vocab, list):
        own = None if at is None else vocab[at][0]
    # Some files call the end unknown too; but no text may become the end.
    if own in known and own not in (roles["pad"], roles["end"]):
        roles["unknown"] = own
    elif isinstance(vocab, list):
        raise ValueError(f"unk_id {at} of its Unigram model is no token of its own")
    return roles


def _hide(content: dict, special: set[str], unknown: str | None, unknown_id: int) -> None:
    """Renames special tokens so that no text can spell them, and takes off all but the encoding.

    Args:
      content: of a tokenizer.json; changed here.
      special: the tokens.
      unknown: which of them is unknown; None where the model has none and is to have one.
      unknown_id: its id.
    """
    model, secret = content["model"], secrets.token_hex(16)
    names = {name: secret + name for name in special}
    for one in content["added_tokens"]:
        one["content"] = names.get(one["content"], one["content"])
    if isinstance(model["vocab"], list):
        model["vocab"] = [[names.get(piece, piece), score] for piece, score in model["vocab"]]
    else:
        model["vocab"] = {names.get(piece, piece): token for piece, token in model["vocab"].items()}
        model["unk_token"] = secret if unknown is None else names.get(unknown, secret)
        if unknown is None:
            # The library numbers added tokens by the size of this table, unless they are in it.
            added = {one["content"]: one["id"] for one in content["added_tokens"]}
            model["vocab"] |= added | {secret: unknown_id}
    if "merges" in model:
        pairs = [one.split(" ") if isinstance(one, str) else one for one in model["merges"]]
        # A merge that makes a special token would make it of letters.
        model["merges"] = [one for one in pairs if not {*one, "".join(one)} & special]
        model["dropout"] = None
    content |= dict.fromkeys(("truncation", "padding", "post_processor"))
