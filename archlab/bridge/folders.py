"""Folders of weights, in either form: Hugging Face's, or archlab's own."""

import shutil
import tempfile
from pathlib import Path

from archlab.bridge import huggingface, own, shards
from archlab.bridge.configuration import FILE
from archlab.bridge.model import Model
from archlab.refusal import Refusal
from archlab.spelling import beside, not_one_of

FORMS = {"huggingface": huggingface, "archlab": own}


def read(folder: Path) -> Model:
    """Reads a model.

    Args:
      folder: in either form; a config.json makes it Hugging Face's.

    Returns:
      The model.

    Raises:
      ValueError: it is neither, archlab has no such model, or a file is not what it should be.
    """
    if not folder.is_dir():
        raise ValueError(f"there is no folder {folder}{beside(folder)}")
    return (huggingface if (folder / FILE).is_file() else own).read(folder)


def write(model: Model, folder: Path, form: str = "huggingface", most: int = shards.BYTES) -> str:
    """Writes a model: whole, or not at all.

    Args:
      model: any.
      folder: where to; there is nothing yet.
      form: one of `FORMS`.
      most: bytes of a file of weights.

    Returns:
      What reads it: a class of transformers, or archlab.

    Raises:
      ValueError: there is something, or transformers has no class for the model.
    """
    if form not in FORMS:
        raise ValueError(f"form={not_one_of(form, FORMS)}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder} is there already, and is not empty; name another with --out")
    folder.parent.mkdir(parents=True, exist_ok=True)
    half = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        reader = FORMS[form].write(model, half, most)
        # What is temporary is for its owner alone, and safetensors writes by way of such a file.
        half.chmod(0o755)
        for path in half.iterdir():
            path.chmod(0o644)
        half.replace(folder)
    except Refusal as refusal:
        raise Refusal(
            f"{refusal}; --form archlab writes archlab's own safetensors", refusal.about
        ) from refusal
    finally:
        shutil.rmtree(half, ignore_errors=True)
    return reader
