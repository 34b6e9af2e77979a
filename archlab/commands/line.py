"""The command line: one verb is run, and what a user gets wrong is said in one line."""

import ast
import contextlib
import io
import os
import sys
import traceback

import typer

from archlab.commands import (
    evaluations,
    experiments,
    finetuning,
    launches,
    machine,
    models,
    pods,
    runs,
    sweeps,
    tasks,
    vocabularies,
)
from archlab.commands.app import DEBUG, WRONG, app
from archlab.spelling import beside, nearest
from archlab.stop import Stop

VERBS = (
    experiments,
    sweeps,
    pods,
    launches,
    machine,
    runs,
    evaluations,
    finetuning,
    models,
    tasks,
    vocabularies,
)  # each adds its own to the app; in the order of --help


def main(arguments: list[str] | None = None) -> int:
    """Runs one command.

    Args:
      arguments: without the program's name; those of the process unless given.

    Returns:
      The exit status: 0, 2 where the user can put it right, 130 where Ctrl-C stopped it, 75 where
      SIGTERM did.
    """
    with contextlib.suppress(FileNotFoundError):  # there is no working directory any more
        if arguments is None and sys.path[0] not in ("", os.getcwd()):
            # What is started by -m would find a json.py of the user's, in the working directory.
            os.environ["PYTHONSAFEPATH"] = "1"
    given = sys.argv[1:] if arguments is None else arguments
    is_debug = DEBUG in given
    words = [word for word in given if word != DEBUG] or ["--help"]
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # where it knows few letters, the rest is "?"
    command = typer.main.get_command(app)
    try:
        with Stop() as stop:
            return command.main(words, "archlab", standalone_mode=False, obj=stop) or 0
    except (ValueError, OSError) as error:
        what = " ".join(str(error).split())
        if isinstance(error, FileNotFoundError) and error.filename:
            what += beside(error.filename)
        if is_debug:
            traceback.print_exception(error)
    except typer.TyperException as error:
        what = _usage(error)
    print(f"archlab: error: {what}", file=sys.stderr)
    return WRONG


def _usage(error: typer.TyperException) -> str:
    """Says what is wrong with the command line, and what was probably meant."""
    context = getattr(error, "ctx", None)
    what = error.format_message().rstrip(".")
    what = what[:1].lower() + what[1:]
    wrong = getattr(error, "option_name", "")
    if context is None:
        return what
    if wrong:
        flags = [flag for param in context.command.params for flag in param.opts]
        flags = [flag for flag in [*flags, "--help", DEBUG] if flag.startswith("--")]
        return f"{context.command_path} has no {wrong}{nearest(wrong, flags)}"
    if what.startswith("no such command"):
        verb = ast.literal_eval(what.removeprefix("no such command "))
        return f"there is no command {verb!r}{nearest(verb, context.command.commands)}"
    return f"{context.command_path}: {what}; see {context.command_path} --help"
