"""The lines of a record, as a report needs them: a form for each kind (`form.py`)."""

import math

from archlab.form import NONE

MOST = 1e33  # of anything; no run that there was took a millionth of it


def number(value: object) -> bool:
    """Args: value: of a line. Returns: whether it is a number, NaN and infinite too."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) < MOST or not math.isfinite(value)


def amount(value: object) -> bool:
    """Args: value: of a line. Returns: whether there can be so much."""
    return isinstance(value, int | float) and number(value) and 0 <= value < MOST


def count(value: object) -> bool:
    """Args: value: of a line. Returns: whether there can be so many."""
    return isinstance(value, int) and amount(value)


FLOPS = {"body": amount, "head": amount, "attention": amount}
SPOT = {"time": amount, "stage": count, "step": count, "total_step": count}
LOSS = {"loss": number, "loss_by_objective": {str: number}}
LEDGER = {
    "flops": FLOPS,
    "parameters": amount,
    "tokens": amount,
    "loss_tokens": amount,
    "padding": amount,
    "seconds": amount,
}
SPEED = ("learning_rate", "gradient_norm", "tokens_per_second", "waiting")
MEMORY = {"resident": (number, NONE), "device_peak": (number, NONE)}
STAGE = {
    "name": str,
    "steps": count,
    "tokens_per_step": amount,
    "architecture": str,
    "objectives": [str],
    "flops_per_step": FLOPS,
    "visited_parameters": amount,
}
# What readers need of a line, by its kind. Lines of other kinds may hold anything.
FORMS = {
    "start": {
        "time": amount,
        "experiment": str,
        "parameters": amount,
        "stages": [STAGE],
        "resumed_from": (count, NONE),
    },
    "train": {
        **SPOT,
        "stage_name": str,
        **LEDGER,
        **LOSS,
        **{name: (number, NONE) for name in SPEED},
        "memory": (MEMORY, NONE),
    },
    "evaluate": {**SPOT, **LOSS},
    "end": {
        "time": amount,
        "loss": number,
        "expect": ([number], NONE),
        "met": (bool, NONE),
        "ledger": {
            **LEDGER,
            "visited_parameters": amount,
            "epochs": ({str: number}, NONE),  # NaN where nobody knows how much text there is
        },
    },
}
