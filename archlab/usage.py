"""What is wrong with a command line, in one line."""

import typer

from archlab.spelling import nearest


def said(error: typer.TyperException, everywhere: list[str]) -> str:
    """Says what is wrong, and what was probably meant.

    Args:
      error: what typer raised.
      everywhere: flags that every verb takes.

    Returns:
      One line, which begins in lower case.
    """
    context = getattr(error, "ctx", None)
    what = error.format_message().rstrip(".")
    what = what[:1].lower() + what[1:]
    wrong = getattr(error, "option_name", "")
    if context is None:
        return what
    if wrong:
        flags = [flag for param in context.command.params for flag in param.opts]
        flags = [flag for flag in [*flags, *everywhere] if flag.startswith("--")]
        return f"{context.command_path} has no {wrong}{nearest(wrong, flags)}"
    if what.startswith("no such command"):
        verb = what.split("'")[1]
        return f"there is no command {verb!r}{nearest(verb, context.command.commands)}"
    return f"{context.command_path}: {what}; see {context.command_path} --help"
