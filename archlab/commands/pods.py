"""What is asked before a pod is: what a run will cost, and whether it fits."""

import dataclasses
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from archlab.commands.app import (
    WRONG,
    Chip,
    Chips,
    Experiment,
    Mfu,
    Modules,
    Out,
    Overrides,
    Price,
    app,
    note,
)
from archlab.commands.experiments import register

if TYPE_CHECKING:
    from archlab.compilation import Compilation
    from archlab.mesh import Mesh

FEW = 4  # arrays that are named


@app.command()
def plan(
    experiment: Experiment,
    chip: Chip = "v5p",
    chips: Chips = None,
    mfu: Mfu = 0.5,
    price: Price = None,
    overrides: Overrides = [],  # noqa: B006
    modules: Modules = [],  # noqa: B006
) -> None:
    """Says what a run will cost and hold.

    In seconds, and without compiling it.

    \b
    archlab plan flan_t5_xxl --chip v5p
    archlab plan quickstart --chip h100 --chips 8 --mfu 0.4 --price 2.5
    """
    from archlab import config
    from archlab.plan import Plan

    read = config.read(experiment, overrides)
    register(read.run.stages, modules)
    with read.placed():
        run = read.run.in_order()
        made = Plan(run, chip, chips, mfu)
        costs, held = made.costs, made.held
    axes = " × ".join(f"{axis} {ways}" for axis, ways in made.mesh.shape.items() if ways > 1)
    print(f"parameters     {sum(made.parameters.values()):,}")
    print(f"checkpoint     {_bytes(made.checkpoint)}, {run.keep} kept")
    print(f"chips          {made.many} {chip}{f' ({axes})' if axes else ''}, at {mfu:.0%} of peak")
    parts = ", ".join(f"{name} {_bytes(size)}" for name, size in held.items())
    print(f"on each chip   {_bytes(sum(held.values()))} of {_bytes(made.kind.bytes)}: {parts};")
    print("               what else a step needs, only compiling says")
    sums = {number: sum(parts.values()) for number, parts in made.boundaries.items()}
    for number, size in sums.items():
        is_most = size == max(*sums.values(), sum(held.values()))
        parts = ", ".join(f"{part} {_bytes(own)}" for part, own in made.boundaries[number].items())
        said = f"{_bytes(size)} as stage {costs[number].name} begins: {parts}"
        print(f"{'':15}{'the most, ' if is_most else ''}{said}")
    print(
        f"{'stage':28}{'steps':>10}{'tokens':>20}{'FLOPs':>10}"
        f"{'rows a chip':>13}{'chip-hours':>13}{'days':>9}"
    )
    for cost in costs:
        print(
            f"{cost.name:28}{cost.steps:>10,}{cost.tokens:>20,}{cost.flops:>10.3g}"
            f"{cost.rows:>13,}{cost.chip_hours:>13,.4g}{cost.days:>9.3g}"
        )
    hours = sum(cost.chip_hours for cost in costs)
    print(
        f"{'total':28}{sum(cost.steps for cost in costs):>10,}"
        f"{sum(cost.tokens for cost in costs):>20,}{sum(cost.flops for cost in costs):>10.3g}"
        f"{'':13}{hours:>13,.4g}{sum(cost.days for cost in costs):>9.3g}"
    )
    if price is not None:
        print(f"price          {hours * price:,.0f}, at {price:g} an hour of a chip")


@app.command()
def check(
    experiment: Experiment,
    out: Out = None,
    chip: Chip = "",
    chips: Chips = None,
    overrides: Overrides = [],  # noqa: B006
    modules: Modules = [],  # noqa: B006
) -> None:
    """Finds what is wrong, before anything is encoded or computed.

    In half a minute, on any machine: paths, schedules, mesh, tasks, data sets, vocabulary,
    sentinels; and, of a --chip, whether it has room. Ends with status 2 where something is wrong.

    \b
    archlab check quickstart
    archlab check flan_t5_xxl --chip v5p
    """
    import jax

    from archlab import config, faults

    read = config.read(experiment, overrides)
    register(read.run.stages, modules)
    with read.placed():
        run = read.run.in_order()
    many = chips or (jax.device_count() if run.mesh.data == -1 else math.prod(_ways(run.mesh)))
    where = out or Path("runs") / read.name
    wrong = 0
    for name, look in faults.looks(run, chip, many, where, tuple(modules)):
        try:
            with read.placed():
                lines = look()
        except ValueError as error:
            wrong += 1
            lines = [f"WRONG  {' '.join(str(error).split())}"]
        for line in lines:
            print(f"{name:14} {line}")
            name = ""
    if wrong:
        raise typer.Exit(WRONG)


def _ways(mesh: "Mesh") -> tuple[int, ...]:
    return dataclasses.astuple(mesh)


@app.command(name="compile")
def compile_(
    experiment: Experiment,
    topology: Annotated[
        str, typer.Option(help="A kind of TPU and how its chips are laid out: v5e:16x16.")
    ],
    slices: Annotated[int, typer.Option(help="Of that shape, joined by a slower network.")] = 1,
    stage: Annotated[
        int | None,
        typer.Option(metavar="NUMBER", help="From 0.", show_default="all, one after another"),
    ] = None,
    overrides: Overrides = [],  # noqa: B006
    modules: Modules = [],  # noqa: B006
) -> None:
    """Compiles the steps for TPUs that are not here.

    Says whether they fit, what would make them fit if not, what the chips send each other, and how
    long the compiler thinks a step is. Needs libtpu, which comes with archlab[tpu], and minutes.

    \b
    archlab compile flan_t5_xxl --topology v5p:4x8x8
    archlab compile quickstart --topology v5e:4x4 --slices 2 --set Mesh.slice=2
    """
    from archlab import config
    from archlab.compilation import Compilation, Exhausted, fitting

    read = config.read(experiment, overrides)
    register(read.run.stages, modules)
    with read.placed():
        run = read.run.in_order()
        if stage is not None and not 0 <= stage < len(run.stages):
            raise ValueError(f"--stage={stage}; the stages are 0 to {len(run.stages) - 1}")
        numbers = range(len(run.stages)) if stage is None else [stage]
        made = [Compilation(run, number, topology, slices) for number in numbers]
    small = 0
    for one in made:
        name = f"stage {one.number}, {one.program.stage.name}"
        print(f"{name}, on {slices} × {topology}", flush=True)
        try:
            one.memory  # noqa: B018 - compiled to see whether it fits
        except Exhausted as why:
            small += 1
            print(f"  does not fit   {why}")
            for line in _kept(one):
                print(line)
            _enlarge(fitting(one, note), one)
            continue
        print("\n".join(_said(one)), flush=True)
    if small:
        raise typer.Exit(1)


def _said(one: "Compilation") -> list[str]:
    """What is known of a step that was compiled."""
    held, best, worst = one.memory, *one.step
    parts = ", ".join(f"{name} {_bytes(size)}" for name, size in held.items())
    lines = [
        f"  compiled in    {one.seconds:.0f} s",
        f"  fits           {_bytes(sum(held.values()))} of {_bytes(one.chip.bytes)} a chip:",
        f"{'':17}{parts}",
    ]
    if one.offloaded:
        lines.append(f"  offloaded      {_bytes(one.offloaded)} a chip, to its host's memory")
    largest = [f"{name} ({_bytes(size)})" for name, size in one.arrays[:FEW]]
    lines += [f"  largest        {largest[0]}", *(f"{'':17}{other}" for other in largest[1:])]
    for title, found in (("in a slice", one.census.within), ("across slices", one.census.across)):
        for kind, traffic in sorted(found.items()):
            lines.append(
                f"  {title:14} {kind} × {traffic.count:,.0f}, {_bytes(traffic.bytes)} a chip"
            )
    low, high = sorted(one.mfu)
    lines += [
        f"  a step         {best:.3g} s if what is sent hides behind what is computed, else "
        f"{worst:.3g} s",
        f"  MFU            {high:.1%}, else {low:.1%}; estimated, {one.census.cycles:.3g} cycles"
        f" at {one.chip.clock / 1e9:.3g} GHz",
    ]
    unseen = {"crosses between slices": one.census.across, "goes to hosts and back": one.offloaded}
    lines += [f"{'':17}without the time of what {way}" for way, is_so in unseen.items() if is_so]
    if one.census.kernels:
        lines.append(
            f"  kernels        {one.census.kernels:.0f} calls, taken to run at the chip's peak"
        )
    for loop in sorted(one.census.open):
        lines.append(f"  not known      how often the loop {loop} turns; it counts once")
    return lines


def _kept(one: "Compilation") -> list[str]:
    """What the gradient keeps, of a step that does not fit."""
    made = one.plan
    parts = ", ".join(f"{name} {_bytes(size)}" for name, size in made.held.items())
    lines = [f"  at least       {_bytes(sum(made.held.values()))} a chip: {parts}"]
    return lines + [
        f"  {'kept' if not number else '':14} {kept} ({_bytes(kept.bytes)})"
        for number, kept in enumerate(made.kept(0)[:FEW])
    ]


def _enlarge(found: tuple[str, "Compilation"] | None, one: "Compilation") -> None:
    """Says what would make a step fit."""
    if found is None:
        print(
            f"  would fit      with more chips than {one.chips}, or rows and weights split further"
            " (Mesh.model, Mesh.context); recomputing and smaller microbatches are not enough"
        )
        return
    words, other = found
    print(f"  would fit      with {words}:")
    print("\n".join(_said(other)), flush=True)


def _bytes(number: float) -> str:
    """A number of bytes as people say it, in steps of 1,024."""
    size, unit = float(number), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if size < 1024:
            break
        size, unit = size / 1024, larger
    return f"{size:.3g} {unit}"
