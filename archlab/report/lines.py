"""The lines of a record, as a report needs them: a form for each kind (`form.py`)."""

from archlab.form import NONE, NUMBER

FLOPS = {"body": NUMBER, "head": NUMBER, "attention": NUMBER}
SPOT = {"time": NUMBER, "stage": int, "step": int, "total_step": int}
LOSS = {"loss": NUMBER, "loss_by_objective": {str: NUMBER}}
LEDGER = {
    "flops": FLOPS,
    "parameters": NUMBER,
    "tokens": NUMBER,
    "loss_tokens": NUMBER,
    "padding": NUMBER,
    "seconds": NUMBER,
}
SPEED = ("learning_rate", "gradient_norm", "tokens_per_second", "waiting")
MEMORY = {"resident": (*NUMBER, NONE), "device_peak": (*NUMBER, NONE)}
STAGE = {
    "name": str,
    "steps": int,
    "tokens_per_step": NUMBER,
    "architecture": str,
    "objectives": [str],
    "flops_per_step": FLOPS,
    "visited_parameters": NUMBER,
}
# What readers need of a line, by its kind. Lines of other kinds may hold anything.
FORMS = {
    "start": {
        "time": NUMBER,
        "experiment": str,
        "parameters": NUMBER,
        "stages": [STAGE],
        "resumed_from": (int, NONE),
    },
    "train": {
        **SPOT,
        "stage_name": str,
        **LEDGER,
        **LOSS,
        **{name: (*NUMBER, NONE) for name in SPEED},
        "memory": (MEMORY, NONE),
    },
    "evaluate": {**SPOT, **LOSS},
    "end": {
        "time": NUMBER,
        "loss": NUMBER,
        "expect": ([NUMBER], NONE),
        "met": (bool, NONE),
        "ledger": {
            **LEDGER,
            "visited_parameters": NUMBER,
            "epochs": ({str: NUMBER}, NONE),
        },
    },
}
