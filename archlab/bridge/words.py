"""The vocabulary of a folder of weights: found beside them, and laid beside them.

What archlab writes says in archlab.json what its vocabulary is, ids above the text and all. What
others wrote is read by the usual names of its files:

  spiece.model              T5's, whose sentinels are the 100 ids right above its text
  tokenizer.json, …         as `archlab.data.tokenizers` reads them
  none of these             numbers, whose text nobody knows
"""

import json
import shutil
from pathlib import Path

from archlab import form
from archlab.bridge.configuration import Configuration
from archlab.data import tokenizers
from archlab.data.vocabulary import Vocabulary

OWN = "archlab.json"
TOKENIZER = "tokenizer_config.json"
PIECES = "spiece.model"
SENTINELS = 100  # T5's, unless its tokenizer's configuration says otherwise


def found(folder: Path, config: Configuration) -> Vocabulary:
    """Reads the vocabulary of a folder.

    Args:
      folder: of a Hugging Face model.
      config: its config.json.

    Returns:
      The vocabulary.

    Raises:
      ValueError: a file of it is not what it should be.
    """
    if (folder / OWN).is_file():
        return read(folder)
    if (folder / PIECES).is_file():
        return Vocabulary(str(folder / PIECES), seqio_ids=_sentinels(folder / TOKENIZER))
    size, pad, end = (
        config.count("vocab_size"),
        config.first("pad_token_id"),
        config.first("eos_token_id"),
    )
    roles = [config.first(f"{role}_token_id") for role in ("decoder_start", "bos", "eos", "pad")]
    start = next((token for token in roles if token is not None), 0)
    if any((folder / name).is_file() for name in tokenizers.USUAL):
        return Vocabulary(str(folder), start=start)
    pad, end = (size if token is None else token for token in (pad, end))
    return Vocabulary(f"{tokenizers.NUMBERS}{size},{pad},{end},{size}", start=start)


def _sentinels(path: Path) -> int:
    """How many ids stand above the text of a T5."""
    said = Configuration(form.read(path) if path.is_file() else {}, str(path))
    many = said.first("extra_ids")
    if many is not None and many < 0:
        raise said.wrong("extra_ids", "there are 0 or more")
    return SENTINELS if many is None else many


def read(folder: Path) -> Vocabulary:
    """Reads the vocabulary of a folder that archlab wrote.

    Args:
      folder: that holds archlab.json.

    Returns:
      The vocabulary.

    Raises:
      ValueError: it is not what was written.
    """
    spec = form.read(folder / OWN, {"vocabulary": {"path": str}})["vocabulary"]
    if Path(spec["path"]).name != spec["path"]:
        raise ValueError(f"{folder / OWN}: vocabulary {spec['path']!r} is not beside it")
    return Vocabulary.from_spec(spec, folder)


def keep(vocabulary: Vocabulary, folder: Path) -> dict:
    """Copies the files of a vocabulary.

    Args:
      vocabulary: any.
      folder: where to; made if it is not there.

    Returns:
      What `Vocabulary.from_spec` needs, with the path from that folder.
    """
    if not vocabulary.path or vocabulary.path.startswith(tokenizers.NUMBERS):
        return vocabulary.spec()
    folder.mkdir(parents=True, exist_ok=True)
    names = _names(tokenizers.files(vocabulary.path))
    for file, name in names.items():
        shutil.copyfile(file, folder / name)
    return vocabulary.spec() | {"path": next(iter(names.values()))}


def write(vocabulary: Vocabulary, folder: Path) -> None:
    """Lays a vocabulary beside weights.

    For archlab, and for transformers where it can read it.

    Args:
      vocabulary: any.
      folder: of the weights.
    """
    spec = keep(vocabulary, folder)
    (folder / OWN).write_text(json.dumps({"vocabulary": spec}, indent=2) + "\n")
    said = _tokenizer(vocabulary, spec["path"])
    if said:
        (folder / TOKENIZER).write_text(json.dumps(said, indent=2) + "\n")


def _names(files: tuple[Path, ...]) -> dict[Path, str]:
    """What transformers calls the files of a vocabulary."""
    if len(files) == 2:
        return dict(zip(files, ("vocab.json", "merges.txt"), strict=True))
    return {
        files[0]: {".model": PIECES, ".txt": "vocab.txt"}.get(files[0].suffix, "tokenizer.json")
    }


def _tokenizer(vocabulary: Vocabulary, name: str) -> dict:
    """What transformers' AutoTokenizer needs to be told; nothing for what it cannot read."""
    if not name:
        return {"tokenizer_class": "ByT5Tokenizer", "extra_ids": vocabulary.size - vocabulary.text}
    kinds = {
        PIECES: {"tokenizer_class": "T5Tokenizer", "extra_ids": vocabulary.seqio_ids},
        "vocab.json": {"tokenizer_class": "GPT2Tokenizer"},
        "vocab.txt": {"tokenizer_class": "BertTokenizer"},
        "tokenizer.json": {"tokenizer_class": "PreTrainedTokenizerFast"},
    }
    said = kinds.get(name, {})
    if name == "tokenizer.json":
        added = form.read(Path(vocabulary.path))["added_tokens"]
        names = {one["id"]: one["content"] for one in added}
        roles = {"pad": vocabulary.pad, "eos": vocabulary.end}
        roles |= {"unk": vocabulary.unknown, "bos": vocabulary.start}
        said = said | {
            f"{role}_token": names[token] for role, token in roles.items() if token in names
        }
    return said
