"""Recognition: which of archlab's objectives the last steps of a SeqIO task are.

A task may end in T5's own preprocessors. Those that archlab has an objective for are recognised, by
the function itself, through `functools.partial` and gin's wrapper, or by its code where it was
copied; the objective then runs in their place, by row number.
"""

import functools
import importlib
import importlib.util
import re
from collections.abc import Callable, Sequence
from typing import Any

import gin

T5 = "t5.data.preprocessors"
ENDS = ("append_eos", "append_eos_after_trim")  # the objectives put them there themselves
CUTS = (  # rows of a fixed length stand for them
    "select_random_chunk",
    "reduce_concat_tokens",
    "split_tokens",
    "split_tokens_to_inputs_length",
    "split_tokens_to_targets_length",
)
MASKS = {"random_spans_noise_mask": 3.0, "iid_noise_mask": 0.0}
FORMS = {  # what becomes of the inputs, and of the targets
    ("noise_span_to_unique_sentinel", "nonnoise_span_to_unique_sentinel"): "sentinels",
    ("drop_noise_tokens", "drop_nonnoise_tokens"): "dropped",
    ("noise_token_to_sentinel", None): "masked",
    ("noise_token_to_random_token_or_sentinel", None): "replaced",
    ("permute_noise_tokens", None): "shuffled",
}
KNOWN = (
    *("span_corruption", "iid_denoising", "prefix_lm", "full_lm", "denoise", "unsupervised"),
    *CUTS,
    *MASKS,
    *(name for pair in FORMS for name in pair if name),
    *("random_spans_helper", "sentinel_id", "noise_token_to_random_token"),
)


def recognized(steps: Sequence[Callable]) -> tuple[str, dict[str, Any]] | None:
    """Finds the objective that steps after a task's cache placeholder are.

    Example:
      [partial(span_corruption, noise_density=0.5), append_eos]   span_corruption, {"rate": 0.5}
      [full_lm]                                                   causal_lm, {}

    Args:
      steps: the preprocessors, in order.

    Returns:
      A name of `OBJECTIVES` and what differs from it; None for steps that are not all known.

    Raises:
      ValueError: they are, but gin binds a parameter of one, behind the back of the task.
    """
    named = [_named(step) for step in _flat(steps)]
    if not named or any(one is None for one in named):
        return None
    names = [name for name, _ in named if name not in (*ENDS, *CUTS)]
    settings = dict(named)
    found = _objective(names, settings)
    if found is not None:
        _refuse_bindings()
    return found


def _objective(names: list[str], settings: dict) -> tuple[str, dict[str, Any]] | None:
    if len(names) != 1:
        return None
    (name,) = names
    given = settings[name]
    if name == "full_lm" and not given:
        return "causal_lm", {}
    if name == "iid_denoising" and not given:
        return "iid_denoising", {}
    if name == "prefix_lm" and given.get("noise_density", 0.5) == 0.5 and len(given) < 2:
        return "prefix_lm", {}
    if name == "span_corruption" and {*given} <= {"noise_density", "mean_noise_span_length"}:
        rate, mean = given.get("noise_density", 0.15), given.get("mean_noise_span_length", 3.0)
        return "span_corruption", {"rate": rate, "mean": mean}
    if name == "denoise":
        return _denoising(given)
    return None


def _denoising(given: dict) -> tuple[str, dict[str, Any]] | None:
    wanted = ("noise_density", "noise_mask_fn", "inputs_fn", "targets_fn")
    functions = [_named(given[name]) if given.get(name) else (None, {}) for name in wanted[1:]]
    if not {*given} <= {*wanted} or "noise_density" not in given or None in functions:
        return None
    (mask, span), (inputs, shown), (targets, said) = functions
    form = FORMS.get((inputs, targets))
    if form is None or mask not in MASKS or said or not {*shown} <= {"random_prob"}:
        return None
    found = {
        "rate": given["noise_density"],
        "form": form,
        "mean": span.pop("mean_noise_span_length", MASKS[mask]),
        "is_rolled": bool(span.pop("random_roll", False)),
    }
    if "random_prob" in shown:
        found["replaced"] = shown["random_prob"]
    if span or (form == "shuffled" and found["rate"] != 1.0):
        return None
    return "span_corruption", found | ({"rate": 0.15} if form == "shuffled" else {})


def _flat(steps: Sequence[Callable]) -> list[Callable]:
    """The steps, with those inside t5's `unsupervised` in its place."""
    found = []
    for step in steps:
        named = _named(step)
        inner = named[1].get("preprocessors") if named and named[0] == "unsupervised" else None
        found += _flat(inner) if inner else [step]
    return found


def _named(step: Callable) -> tuple[str, dict[str, Any]] | None:
    """What a step is called where it was defined, and what was given to it."""
    given: dict[str, Any] = {}
    while isinstance(step, functools.partial):
        if step.args:
            return None
        step, given = step.func, {**step.keywords, **given}
    step = getattr(step, "__wrapped__", step)
    name, home = getattr(step, "__name__", ""), getattr(step, "__module__", "")
    if home == "seqio.preprocessors" and name in ENDS:
        return name, {}
    if name in KNOWN and (home == T5 or _is_copy(step, name)):
        return name, given
    return None


def _is_copy(step: Callable, name: str) -> bool:
    """Whether a function of the user's is t5's own, line for line."""
    code = getattr(step, "__code__", None)
    if code is None or importlib.util.find_spec("t5") is None:
        return False
    own = getattr(importlib.import_module(T5), name)
    own = getattr(own, "__wrapped__", own).__code__
    return (code.co_code, code.co_names, _plain(code)) == (own.co_code, own.co_names, _plain(own))


def _plain(code) -> tuple:
    """The constants of a function, but for its docstring and the functions inside it."""
    return tuple(one for one in code.co_consts[1:] if not hasattr(one, "co_code"))


def _refuse_bindings() -> None:
    bound = re.search(
        rf"^(?:\w+/)*(?:[\w.]+\.)?({'|'.join(KNOWN)})\.(\w+) *=", gin.config_str(), re.M
    )
    if bound:
        raise ValueError(
            f"gin binds {bound.group(1)}.{bound.group(2)}, which would change an objective behind "
            "its task's back; give it to the task with functools.partial"
        )
