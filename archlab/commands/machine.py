"""What is asked of the machine that one sits at."""

import typer

from archlab.commands.app import app


@app.command()
def doctor() -> None:
    """Says what is installed, and what is missing.

    Packages, devices, and the programs that archlab launch calls.

    Ends with status 1 where something is missing that training needs.

    \b
    archlab doctor
    """
    from archlab import installation

    found = [*installation.packages(), *installation.devices(), *installation.programs()]
    for one in found:
        remedy = f"  {one.remedy}" if one.remedy else ""
        print(f"{one.name:22}{one.found or 'missing':12}{remedy}".rstrip())
    if any(one.is_needed and one.remedy for one in found):
        raise typer.Exit(1)
