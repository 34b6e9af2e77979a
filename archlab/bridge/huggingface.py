"""Folders of Hugging Face models: config.json, safetensors, and a tokenizer's files."""

import json
from pathlib import Path

from archlab.bridge import families, shards, words
from archlab.bridge.configuration import FILE, Configuration
from archlab.bridge.family import Family
from archlab.bridge.model import Model
from archlab.bridge.shards import Shards
from archlab.data.tokenizers import NUMBERS
from archlab.refusal import blame

GENERATION = "generation_config.json"
UNREAD = ("tokenizer.model",)  # SentencePiece with other special ids than T5's


def read(folder: Path) -> Model:
    """Reads a model.

    Args:
      folder: as `save_pretrained` writes it.

    Returns:
      The model.

    Raises:
      ValueError: archlab has no such model, or a file is not what it should be.
    """
    config = Configuration.read(folder)
    family = families.named(config)
    with blame(ahead=f"{folder}: "):
        size, architecture = family.settings(config)
        stored = Shards(folder)
        deepest = max(map(size.depth, architecture.stacks))
        if deepest > len(stored.shapes):  # before anything is made for each of them
            raise ValueError(
                f"it holds {len(stored.shapes)} arrays, and {FILE} says {deepest} layers"
            )
        table = family.table(size, architecture)
        found = _called(family, stored.shapes)
        left = table.check({name: stored.shapes[own] for name, own in found.items()})
        weights = table.weights(found, lambda name: stored.read(found[name]))
        vocabulary = words.found(folder, config)
    if vocabulary.path.startswith(NUMBERS):
        left += [name for name in UNREAD if (folder / name).is_file()]
    length = config.first(family.length) or 0 if family.length else size.positions
    return Model(size, architecture, weights, vocabulary, length, tuple(left))


def _called(family: Family, names: dict) -> dict[str, str]:
    """What the table calls each array, and what the folder does.

    A folder of the model without its head leaves out the first part of every name.
    """
    is_whole = any(name.startswith(family.prefix) for name in names)
    found = {}
    for name in names:
        end = next((end for end in family.former if name.endswith(end)), "")
        now = name.removesuffix(end) + family.former.get(end, "")
        found[now if is_whole else family.prefix + now] = name
    return found


def write(model: Model, folder: Path, most: int = shards.BYTES) -> str:
    """Writes a model, for `from_pretrained` to load offline, without remote code.

    Args:
      model: any that a family has a place for.
      folder: where to; it is there, and empty.
      most: bytes of a file of weights.

    Returns:
      The class of transformers that it is loaded as.

    Raises:
      ValueError: transformers has no class for it.
    """
    family = families.of(model.size, model.architecture)
    table = family.table(model.size, model.architecture)
    ids = _ids(model, family)
    said = {
        "model_type": family.name,
        "architectures": [family.title],
        **family.fields(model.size, model.architecture),
        **({family.length: model.length} if family.length and model.length else {}),
        **ids,
        "dtype": "float32",
        "torch_dtype": "float32",
    }
    shards.write(folder, table.shapes, table.arrays(model.weights), most)
    words.write(model.vocabulary, folder)
    (folder / FILE).write_text(json.dumps(said, indent=2) + "\n")
    if model.architecture.kind != "encoder":
        (folder / GENERATION).write_text(json.dumps(ids, indent=2) + "\n")
    return family.title


def _ids(model: Model, family: Family) -> dict[str, int]:
    """The ids that have a role, those that the table has a row for."""
    vocabulary = model.vocabulary
    assert vocabulary.start is not None, "once it is made, a vocabulary has one"
    roles = {"pad_token_id": vocabulary.pad, "eos_token_id": vocabulary.end}
    is_pair = model.architecture.kind == "encoder_decoder"
    roles["decoder_start_token_id" if is_pair else "bos_token_id"] = vocabulary.start
    return {role: token for role, token in roles.items() if token < model.size.vocab}
