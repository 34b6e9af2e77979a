"""What starts a run where the machines are."""

import re
from typing import TYPE_CHECKING, Annotated

import typer

from archlab.commands import completion
from archlab.commands.app import Experiment, Mfu, Modules, Overrides, Price, app, note
from archlab.commands.experiments import register

if TYPE_CHECKING:
    from archlab.config import Experiment as Read
    from archlab.launch.call import Call
    from archlab.launch.machines import Machines


@app.command()
def launch(
    context: typer.Context,
    experiment: Experiment,
    on: Annotated[
        str,
        typer.Option(
            metavar="PLACE",
            help="A word of gin/place, or a .gin file like those.",
            autocompletion=completion.places,
        ),
    ],
    out: Annotated[
        str | None,
        typer.Option(
            metavar="DIR", help="The run directory, there.", show_default="as the place has"
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Of what is made for it.", show_default="the experiment's")
    ] = None,
    processes: Annotated[int | None, typer.Option(help="How many train together.")] = None,
    price: Price = None,
    mfu: Mfu = 0.5,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the commands, and run none.")
    ] = False,
    follow: Annotated[
        bool, typer.Option("--follow", help="Show what the run says; Ctrl-C ends that alone.")
    ] = False,
    cleanup: Annotated[
        bool, typer.Option("--cleanup", help="Stop the run, and delete what was made for it.")
    ] = False,
    overrides: Overrides = [],  # noqa: B006 - typer's way of saying "may be given many times"
    modules: Modules = [],  # noqa: B006
) -> None:
    """Starts a run where the machines are.

    On Cloud TPUs, in a Kubernetes cluster, under Slurm, by ssh, or here in several processes. --set
    says what is different of the experiment and of the place, each by its own keys. The same
    command again goes on with a run that was stopped.

    \b
    archlab launch quickstart --on local --processes 2
    archlab launch flan_t5_xxl --on slurm_gpu_8 --set Slurm.nodes=32 --dry-run
    archlab launch quickstart --on hosts --set "Hosts.hosts=['one', 'two']" --follow
    """
    from archlab import config
    from archlab.launch.call import Job

    own = [] if processes is None else [f"Local.processes={processes}"]
    place, others = config.place(on, [*overrides, *own])
    read, machines = config.read(experiment, others), place.on
    told = [f"--set={one}" for one in others] + [f"--module={one}" for one in modules]
    job = Job(
        name or named(read.name),
        experiment,
        out or machines.out(read.name),
        tuple(told),
        place.secrets,
        place.starts,
    )
    if cleanup:
        calls = machines.cleaned(job)
        if dry_run:
            _show(calls)
        elif status := max((call.status() for call in calls), default=0):  # all, whoever fails
            raise typer.Exit(status)
        return
    _check(read, machines)
    if price is not None:
        register(read.run.stages, modules)
        print(f"# cost: {_cost(read, machines, price, mfu)}")
    if machines.is_elsewhere and (experiment.endswith(".gin") or modules):
        note("files that the command names are looked for there, in the same place")
    if dry_run:
        _show(machines.launched(job) + (machines.followed(job) if follow else []))
        return
    context.obj.last = lambda: "the run was left alone; --cleanup stops it"
    status = machines.run(job, note, context.obj)
    for call in machines.followed(job) if not status else []:
        if not follow:
            note(f"{call.about}: {call}")
        elif not status:
            status = call.status()
    if status:
        raise typer.Exit(status)


def named(experiment: str) -> str:
    """Makes a name that every place takes of an experiment's.

    Example:
      >>> named("Flan_T5 (mine)"), named("2x")
      ('flan-t5-mine', 'run-2x')

    Args:
      experiment: its name.

    Returns:
      Lower-case letters, digits and hyphens, 40 at most.
    """
    plain = re.sub(r"[^a-z0-9]+", "-", experiment.lower()).strip("-")
    return (plain if plain[:1].isalpha() else f"run-{plain}")[:40].strip("-")


def _show(calls: "list[Call]") -> None:
    """Prints calls as a shell would take them."""
    for call in calls:
        print(f"# {call.about}\n{call}")


def _check(read: "Read", machines: "Machines") -> None:
    """Refuses a mesh that the chips do not form."""
    many = machines.chips[1]
    if many:
        with read.placed():
            read.run.mesh.abstract(many)


def _cost(read: "Read", machines: "Machines", price: float, mfu: float) -> str:
    """What the run will cost."""
    from archlab.chips import CHIPS
    from archlab.plan import Plan

    kind, many = machines.chips
    if kind not in CHIPS or not many:
        said = "the place does not say which chips there are, and how many, and no cost is known"
        raise ValueError(f"--price={price:g}: {said}")
    with read.placed():
        costs = Plan(read.run.in_order(), kind, many, mfu).costs
    hours = sum(cost.chip_hours for cost in costs)
    days = sum(cost.days for cost in costs)
    return (
        f"{many:,} {kind} × {hours / many:,.4g} hours × {price:g} = {hours * price:,.0f}, "
        f"in {days:.3g} days at {mfu:.0%} of peak"
    )
