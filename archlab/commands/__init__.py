"""The commands, one file for what each is about: experiments, runs, tasks."""

from archlab.commands.line import main

__all__ = ["main"]
