"""Compatibility: which models may be made of which, and what of them may differ.

Why ingredients are refused and not dropped: a product that a GELU was learnt behind has the shape
of one behind a SiLU, and would be copied without a word.
"""

import dataclasses

from archlab.architecture import Architecture
from archlab.model.transformer import Transformer
from archlab.refusal import Refusal
from archlab.size import Size
from archlab.surgery.choices import Surgery
from archlab.surgery.origins import origins

SWITCHABLE = ("causal_decoder", "prefix_decoder")  # the same weights, but for relative positions
# What surgery may change. All else decides what the values of a weight mean, or how many they are.
FREE = {
    *("Architecture.name", "Architecture.shared", "Architecture.tied", "Architecture.bias"),
    *("Architecture.embedding_norm", "Architecture.head", "Architecture.qk_norm"),
    *("Architecture.position", "Architecture.rotary_base", "Architecture.rotary_stretch"),
    *("Architecture.local_rotary_base", "Architecture.window", "Architecture.global_every"),
    *("Architecture.global_first", "Architecture.attention_cap", "Architecture.logit_cap"),
    *("Architecture.tied_stacks", "Architecture.merged", "Architecture.aligned"),
    *("Size.layers", "Size.encoder_layers", "Size.vocab", "Size.positions"),
}


def differences(old: Transformer, new: Transformer) -> dict[str, tuple]:
    """Finds the settings in which two models differ.

    Args:
      old: any.
      new: any.

    Returns:
      The old value and the new one, by the setting.
    """
    found = {}
    for kind in (Architecture, Size):
        before, after = (getattr(one, kind.__name__.lower()) for one in (old, new))
        for field in dataclasses.fields(kind):
            pair = (getattr(before, field.name), getattr(after, field.name))
            if pair[0] != pair[1]:
                found[f"{kind.__name__}.{field.name}"] = pair
    return found


def check(old: Transformer, new: Transformer, surgery: Surgery | None) -> None:
    """Refuses weights that cannot become those of a model.

    Args:
      old: the model whose weights there are.
      new: the model that is wanted.
      surgery: how; None where the weights are to be the same.

    Raises:
      Refusal: they cannot, or not in this way.
    """
    found = differences(old, new)
    if surgery is None:
        _check_same(old.architecture, new.architecture, found)
        return
    if not found:
        raise Refusal(
            "Stage.surgery has nothing to do: the weights that there are are those of the stage",
            "Stage.surgery",
        )
    for setting, (before, after) in found.items():
        if setting not in FREE:
            free = ", ".join(sorted(one for one in FREE if one.startswith(setting.split(".")[0])))
            raise Refusal(
                f"{setting}={after!r}, and the weights that there are were made for {before!r}; "
                f"surgery changes {free}",
                setting,
            )
    _check_silent(old, new, surgery)


def _check_same(old: Architecture, new: Architecture, found: dict[str, tuple]) -> None:
    """Refuses differences that are more than who sees whom."""
    is_switch = {old.name, new.name} == set(SWITCHABLE)
    if is_switch and old.position == "relative":
        raise Refusal(
            f"{old.name} and {new.name} sort distances into different buckets with "
            "Architecture.position='relative'; use 'rope' or 'none', or Stage.surgery = "
            "@Surgery(), which learns them anew",
            "Stage.architecture",
        )
    if old.name != new.name and not is_switch:
        raise Refusal(
            f"architecture={new.name!r} has other weights than {old.name}; Stage.surgery = "
            "@Surgery() makes them of those",
            "Stage.architecture",
        )
    for setting, (before, after) in found.items():
        if setting != "Architecture.name":
            raise Refusal(
                f"{setting}={after!r}, and the weights that there are were made for {before!r}"
                + ("; Stage.surgery = @Surgery() makes others of them" if setting in FREE else ""),
                setting,
            )


def _check_silent(old: Transformer, new: Transformer, surgery: Surgery) -> None:
    """Refuses what is to add nothing, and would change the stream all the same."""
    is_after = new.architecture.norm_place == "post"
    for field in ("cross", "depth"):
        if getattr(surgery, field) == "silent" and is_after:
            raise Refusal(
                f"Surgery.{field}='silent', and with Architecture.norm_place='post' the stream is "
                "normalised once more even where nothing is added to it; it goes with 'pre' and "
                "'both'",
                f"Surgery.{field}",
            )
    if surgery.depth != "silent":
        return
    for origin in origins(old, new, surgery):
        stack, order = origin.path.split("/")[0], origin.layers
        for before in set(order) if len(order) > len(set(order)) else ():
            after = order.index(before)
            if old.architecture.is_global(before) != new.architecture.is_global(after):
                raise Refusal(
                    f"Surgery.depth='silent' makes the {stack}'s layer {before} its layer {after}, "
                    "and by Architecture.global_every one of the two has a window and the other "
                    "none; 'stack' leaves each where it is",
                    "Surgery.depth",
                )
