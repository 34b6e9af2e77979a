"""Recognition: which of archlab's objectives the last steps of a SeqIO task are.

A task may end in T5's own preprocessors. Those that archlab has an objective for are recognised, by
the function itself, through `functools.partial` and gin's wrapper, or by its code where it was
copied; the objective then runs in their place, by row number. A step that is not wholly understood
is no such step: what is not recognised is run as it is.
"""

import dis
import functools
import importlib
import importlib.util
import inspect
import re
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import gin

T5, SEQIO = "t5.data.preprocessors", "seqio.preprocessors"
ENDS = ("append_eos", "append_eos_after_trim")  # the objectives put ends there themselves
SPLITS = ("split_tokens", "split_tokens_to_inputs_length", "split_tokens_to_targets_length")
CUTS = ("select_random_chunk", "reduce_concat_tokens", *SPLITS)  # rows stand for them
CHUNK = 65_536  # tokens that T5 takes of a document; of a longer one, archlab reads all
MASKS = {"random_spans_noise_mask": 3.0, "iid_noise_mask": 0.0}
FORMS = {  # what becomes of the inputs, and of the targets
    ("noise_span_to_unique_sentinel", "nonnoise_span_to_unique_sentinel"): "sentinels",
    ("drop_noise_tokens", "drop_nonnoise_tokens"): "dropped",
    ("noise_token_to_sentinel", None): "masked",
    ("noise_token_to_random_token_or_sentinel", None): "replaced",
    ("permute_noise_tokens", None): "shuffled",
}
PREFIX = ("random_prefix_noise_mask", "drop_nonnoise_tokens", "drop_noise_tokens")
KNOWN = (
    *("span_corruption", "iid_denoising", "prefix_lm", "full_lm", "denoise", "unsupervised"),
    *(*CUTS, *MASKS, PREFIX[0], *(name for pair in FORMS for name in pair if name)),
    *("random_spans_helper", "sentinel_id", "noise_token_to_random_token"),
)

Found = tuple[str, dict[str, Any]]


def recognized(steps: Sequence[Callable]) -> Found | None:
    """Finds the objective that steps after a task's cache placeholder are.

    Example:
      [partial(span_corruption, noise_density=0.5), append_eos]   span_corruption, {"rate": 0.5}
      [full_lm]                                                   causal_lm, {}

    Args:
      steps: the preprocessors, in order.

    Returns:
      A name of `OBJECTIVES` and what differs from it; None for steps that are none as a whole.

    Raises:
      ValueError: they are one, but gin binds a parameter of T5's, behind the back of the task.
    """
    named = [_named(step) for step in _flat(steps)]
    if not named or None in named:
        return None
    ends = [given for name, given in named if name in ENDS]
    has_ends = ends == [{}] and named[-1][0] in ENDS
    found = _objective(named[: len(named) - len(ends)], has_ends) if len(ends) == has_ends else None
    if found is not None:
        _refuse_bindings()
    return found


def only_ends(steps: Sequence[Callable]) -> bool:
    """Whether steps do nothing but append ends.

    Args:
      steps: the preprocessors, in order.

    Returns:
      True for none, and for SeqIO's own.
    """
    named = [_named(step) for step in steps]
    return all(one is not None and one[0] in ENDS and not one[1] for one in named)


def _objective(named: list[Found], has_ends: bool) -> Found | None:
    """What steps are that are followed by ends, or are not."""
    (name, given), cuts = named[-1] if named else ("", {}), named
    if name not in CUTS:
        cuts = named[:-1]
    if name == "full_lm":  # it puts its ends there itself
        return ("causal_lm", {}) if not (has_ends or cuts or given) else None
    if not has_ends or not _are_cuts(cuts):
        return None
    if name in CUTS:
        return ("causal_lm", {}) if name == "split_tokens_to_targets_length" else None
    if name == "denoise":
        return _denoising(given) if cuts else None
    if cuts or name not in ("span_corruption", "iid_denoising", "prefix_lm"):
        return None
    if name == "span_corruption" and {*given} <= {"noise_density", "mean_noise_span_length"}:
        rate, mean = given.get("noise_density", 0.15), given.get("mean_noise_span_length", 3.0)
        return _hiding({"rate": rate, "mean": mean})
    return None if given else (name, {})


def _are_cuts(named: list[Found]) -> bool:
    """Whether steps cut text as T5 does: a chunk of each document, joined, split."""
    places = [CUTS.index(name) if name in CUTS else -1 for name, _ in named]
    if not named:
        return True
    if sorted({*places}) != places or places[0] < 0 or named[-1][0] not in SPLITS:
        return False
    if len([name for name, _ in named if name in SPLITS]) > 1:
        return False
    allowed = {"reduce_concat_tokens": {"batch_size"}, "split_tokens": {"max_tokens_per_segment"}}
    for name, given in named:
        left = {*given} - allowed.get(name, set())
        if name == "select_random_chunk" and (given.get("max_length") or CHUNK) >= CHUNK:
            left -= {"max_length"}
        if left:
            return False
    return True


def _denoising(given: dict) -> Found | None:
    wanted = ("noise_density", "noise_mask_fn", "inputs_fn", "targets_fn")
    functions = [_named(given[name]) if given.get(name) else (None, {}) for name in wanted[1:]]
    if not {*given} <= {*wanted} or "noise_density" not in given or None in functions:
        return None
    (mask, span), (inputs, shown), (targets, said) = functions
    rate = given["noise_density"]
    if (mask, inputs, targets) == PREFIX and not (span or shown or said) and rate == 0.5:
        return "prefix_lm", {}
    form = FORMS.get((inputs, targets))
    if form is None or mask not in MASKS or said or not {*shown} <= {"random_prob"}:
        return None
    if not {*span} <= {"mean_noise_span_length", "random_roll"}:
        return None
    if form == "shuffled":  # all of the text, whatever the rate and the mask of the objective
        is_all = rate == 1.0 and mask == "iid_noise_mask"
        return ("deshuffle", {}) if is_all and not span else None
    found = {
        "rate": rate,
        "form": form,
        "mean": span.get("mean_noise_span_length", MASKS[mask]),
        "is_rolled": bool(span.get("random_roll", False)),
    }
    if "random_prob" in shown:
        found["replaced"] = shown["random_prob"]
    return _hiding(found)


def _hiding(found: dict) -> Found | None:
    """Span corruption with parameters, if there is such a thing."""
    rate, mean, replaced = found["rate"], found["mean"], found.get("replaced", 0.0)
    if not all(isinstance(one, int | float) for one in (rate, mean, replaced)):
        return None
    is_one = 0 < rate < 1 and (mean == 0 or mean >= 1) and 0 <= replaced <= 1
    return ("span_corruption", found) if is_one else None


def _flat(steps: Sequence[Callable]) -> list[Callable]:
    """The steps, with those inside t5's `unsupervised` in its place."""
    found = []
    for step in steps:
        named = _named(step)
        is_list = named is not None and named[0] == "unsupervised" and {*named[1]}
        found += _flat(named[1]["preprocessors"]) if is_list == {"preprocessors"} else [step]
    return found


def _named(step: Callable) -> Found | None:
    """What a step of T5's or SeqIO's is called, and what differs from its defaults."""
    given: dict[str, Any] = {}
    while isinstance(step, functools.partial):
        if step.args:
            return None
        step, given = step.func, {**step.keywords, **given}
    step = _bare(step)
    name = getattr(step, "__name__", "")
    own = _own(SEQIO if name in ENDS else T5, name) if name in (*ENDS, *KNOWN) else None
    if own is None or not _is_same(step, own, set()):
        return None
    usual, given = _defaults(own), {**_defaults(step), **given}
    return name, {
        key: value
        for key, value in given.items()
        if key not in usual or (usual[key] is not value and usual[key] != value)
    }


def _own(home: str, name: str) -> Callable | None:
    """The function itself, if its package is there."""
    if importlib.util.find_spec(home.partition(".")[0]) is None:
        return None
    return _bare(getattr(importlib.import_module(home), name, None))


def _bare(step: Any) -> Any:
    """A function without gin's wrapper, which changes nothing but by a binding."""
    while getattr(step, "__globals__", {}).get("__name__") == "gin.config":
        step = step.__wrapped__
    return step


def _defaults(function: Callable) -> dict[str, Any]:
    parameters = inspect.signature(function).parameters.values()
    return {one.name: one.default for one in parameters if one.default is not one.empty}


def _is_same(one: Any, other: Any, met: set[tuple[int, int]]) -> bool:
    """Whether two things that functions name do the same: a copy does, line for line.

    Its own defaults may differ; they count as given.
    """
    one, other = _bare(one), _bare(other)
    if one is other or (id(one), id(other)) in met:
        return True
    if isinstance(one, types.ModuleType) and isinstance(other, types.ModuleType):
        return one.__name__.partition(".")[0] == other.__name__.partition(".")[0] == "tensorflow"
    if not isinstance(one, types.FunctionType) or not isinstance(other, types.FunctionType):
        return type(one) is type(other) and isinstance(one, int | float | str) and one == other
    met.add((id(one), id(other)))
    if one.__closure__ or other.__closure__ or _said(one.__code__) != _said(other.__code__):
        return False
    if [*inspect.signature(one).parameters] != [*inspect.signature(other).parameters]:
        return False
    is_called = len(met) > 1  # with the defaults that it has, since nobody gives it others
    if is_called and _defaults(one) != _defaults(other):
        return False
    return all(
        _is_same(one.__globals__.get(name), other.__globals__.get(name), met)
        for name in _globals(one.__code__)
    )


def _said(code: types.CodeType) -> list[tuple]:
    """The instructions of a function, and of those inside it, without docstrings and places."""
    return [
        (one.opname, _said(one.argval) if hasattr(one.argval, "co_code") else repr(one.argval))
        for one in dis.get_instructions(code)
    ]


def _globals(code: types.CodeType) -> Iterator[str]:
    for one in dis.get_instructions(code):
        if one.opname == "LOAD_GLOBAL":
            yield one.argval
        if hasattr(one.argval, "co_code"):
            yield from _globals(one.argval)


def _refuse_bindings() -> None:
    bound = re.search(
        rf"^(?:\w+/)*(?:[\w.]+\.)?({'|'.join(KNOWN)})\.(\w+) *=", gin.config_str(), re.M
    )
    if bound:
        raise ValueError(
            f"gin binds {bound.group(1)}.{bound.group(2)}, which would change an objective behind "
            "its task's back; give it to the task with functools.partial, or run it as it is bound "
            "with Data.road='streaming'"
        )
