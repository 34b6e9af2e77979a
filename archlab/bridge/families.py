"""The families that there are, by what they are called and by what they can be."""

from archlab.architecture import Architecture
from archlab.bridge.bert import BERT
from archlab.bridge.configuration import Configuration
from archlab.bridge.family import Family
from archlab.bridge.gpt2 import GPT2
from archlab.bridge.llama import LLAMA
from archlab.bridge.modernbert import MODERNBERT
from archlab.bridge.t5 import T5
from archlab.refusal import Refusal
from archlab.size import Size

FAMILIES = (T5, LLAMA, GPT2, BERT, MODERNBERT)


def named(config: Configuration) -> Family:
    """Finds the family of a config.json.

    Args:
      config: of any model.

    Returns:
      The family.

    Raises:
      ValueError: archlab has none of that name.
    """
    return config.choice("model_type", {one.name: one for one in FAMILIES})


def of(size: Size, architecture: Architecture) -> Family:
    """Finds the family that a model can be written as.

    Args:
      size: any.
      architecture: any.

    Returns:
      The family.

    Raises:
      ValueError: there is none, with what is in the way of the nearest.
    """
    lacks = {one.name: one.lacks(size, architecture) for one in FAMILIES}
    found = [one for one in FAMILIES if not lacks[one.name]]
    if found:
        return found[0]
    nearest = min(lacks.values(), key=len)
    raise Refusal(
        f"transformers has no class for this {architecture.name}: {'; '.join(nearest)}",
        "Architecture.name",
    )
