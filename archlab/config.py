"""Experiments: gin files, read once, checked line by line, and built into a `Run`.

This is the only door to gin. It registers a few roots, and the classes know nothing of it, so that
everything works and is tested without gin. A gin file here says values and nothing else: it runs no
code, so one from a stranger is safe to read. `import`, macros, and files outside `gin/`,
`experiments/` and the experiment's own directory are refused, and so is a key bound twice.
"""

import dataclasses
import re
import tokenize
from pathlib import Path

import gin
from gin import config_parser
from ml_collections import FrozenConfigDict

from archlab import bindings, experiments
from archlab.architecture import Architecture
from archlab.bindings import Binding, ConfigError, Place, Reference
from archlab.data.recipes import Data
from archlab.mesh import Mesh
from archlab.settings import Run
from archlab.size import Size
from archlab.spelling import nearest
from archlab.stages import Schedule, Stage
from archlab.train.optimizer import Optimizer

KINDS = {
    kind.__name__: kind
    for kind in (Run, Stage, Schedule, Size, Architecture, Optimizer, Mesh, Data)
}
BYTES = 65_536  # of one file; a sentence takes a thousand
DEPTH = 8  # of includes within includes
OVERRIDE = "--set"
_ENDS = (tokenize.NEWLINE, tokenize.ENDMARKER)
_NAMED = re.compile(r"# experiment: (\S+)\n")  # first line of a run's own config.gin
_GIN_ADDS = re.compile(
    r"(.*?)\n  In call to configurable '(\w+)' [^\n]*?(?: in scope '(\w*)')?(?:\n|$)"
)

for _name, _kind in KINDS.items():
    gin.external_configurable(_kind, name=_name)


@dataclasses.dataclass(frozen=True)
class Experiment:
    """An experiment, read.

    Args:
      name: what it is called.
      run: what it says.
      gin_text: the same in one file, with the overrides; `read` reads it back.
      settings: every setting, given or default, typed and frozen, by dotted name:
        `settings.size.layers`; stages are numbered, `settings.stages["0"].rows`.
      operative: every setting as gin writes it.
      written: its bindings, with their places.
    """

    name: str
    run: Run
    gin_text: str
    settings: FrozenConfigDict
    operative: str
    written: tuple[Binding, ...]

    def located(self, error: ValueError) -> ValueError:
        """Adds the place to an error that is found later, with data and devices.

        Args:
          error: that names a field, like `Size.vocab=`, or quotes a mixture or the folder.

        Returns:
          The same with file and line, if a binding is meant.
        """
        if isinstance(error, ConfigError):
            return error
        said = str(error)
        for binding in reversed(self.written):
            is_quoted = binding.field in ("mixture", "folder") and str(binding.value) in said
            if is_quoted or f"{binding.name}.{binding.field}=" in said:
                return binding.place.error(said)
        return error


def read(experiment: str | Path, overrides: list[str] | tuple[str, ...] = ()) -> Experiment:
    """Reads an experiment, with its includes.

    Example:
      read("quickstart", ["Size.layers=2"]).run.size.layers   is 2

    Args:
      experiment: path of a .gin file, or the name of one in `experiments/`.
      overrides: each `Key=value`; they take the place of the experiment's own.

    Returns:
      The experiment.

    Raises:
      ConfigError: anything wrong with a line, which it names.
      ValueError: there is no such experiment.
    """
    path = experiments.find(experiment)
    said = _closure(path)
    for binding in said:
        bindings.check(binding, KINDS)
    bindings.check_once(said)
    for text in overrides:
        new = _override(text)
        bindings.check(new, KINDS)
        said = [old for old in said if old.key != new.key] + [new]
    bindings.check_whole(said, KINDS, _shown(path))
    run, operative = _build(said)
    named = _NAMED.match(path.read_text())
    name = named.group(1) if named else path.stem
    return Experiment(
        name=name,
        run=run,
        gin_text=_text(name, said),
        settings=_settings(run),
        operative=operative,
        written=tuple(said),
    )


def _shown(path: Path) -> str:
    return (
        str(path.relative_to(experiments.home()))
        if path.is_relative_to(experiments.home())
        else str(path)
    )


class _Delegate(config_parser.ParserDelegate):
    """What gin's parser makes of @ and %: a `Reference`, and a refusal. It looks nothing up."""

    def configurable_reference(self, scoped_configurable_name, evaluate):
        scope, _, name = scoped_configurable_name.rpartition("/")
        return Reference(scope, name, evaluate)

    def macro(self, macro_name):
        raise ValueError(f"%{macro_name} is a macro; write the value itself")


def _statements(text: str, file: str):
    # gin's parser fails in many ways on a file that is not gin, and most do not name the line.
    parser, place = None, Place(file, 1)
    try:
        parser = config_parser.ConfigParser(text, _Delegate())
        while (statement := parser.parse_statement()) is not None:
            place = Place(file, statement.location.line_num)
            yield place, statement
    except SyntaxError as error:
        line = error.lineno or (parser.current_token.start[0] if parser else 1)
        what = str(error.msg).split("\n")[0]
        raise Place(file, line).error(f"this is not gin: {what}") from None
    except tokenize.TokenError as error:
        what, (line, _) = error.args
        raise Place(file, line).error(f"a bracket or a quote is not closed: {what}") from None
    except RecursionError:
        raise place.error("brackets within brackets without end") from None
    except ValueError as error:
        if isinstance(error, ConfigError):
            raise
        line = parser.current_token.start[0] if parser else 1
        raise Place(file, line).error(str(error).split("\n")[0]) from None


def _closure(top: Path) -> list[Binding]:
    """Reads a file and what it includes, in order."""
    allowed = [experiments.home() / "gin", experiments.home() / "experiments", top.resolve().parent]
    seen: dict[Path, Place] = {}
    found: list[Binding] = []

    def visit(path: Path, depth: int) -> None:
        file = _shown(path)
        if path.stat().st_size > BYTES:
            raise Place(file).error(f"{path.stat().st_size} bytes; a gin file here is ≤ {BYTES}")
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            raise Place(file).error("this is not text in UTF-8") from None
        for place, statement in _statements(text, file):
            if isinstance(statement, config_parser.IncludeStatement):
                include(statement.filename, path, place, depth)
            elif isinstance(statement, config_parser.ImportStatement):
                raise place.error(
                    f"{statement.format()!r}: gin files import nothing; "
                    "name your own Python with --module"
                )
            elif isinstance(statement, config_parser.BlockDeclaration):
                bindings.check_name(place, statement.scope, statement.selector, KINDS)
            elif not statement.arg_name:
                raise place.error(
                    f"{statement.selector!r} is bound as a macro; bind a field, like Size.layers"
                )
            else:
                found.append(Binding(*statement[:4], place))

    def include(name: str, path: Path, place: Place, depth: int) -> None:
        choices = [(base / name).resolve() for base in (experiments.home(), path.resolve().parent)]
        inside = [one for one in choices if any(map(one.is_relative_to, allowed))]
        if not inside or Path(name).suffix != ".gin":
            raise place.error(
                f"include {name!r} is refused: only .gin files of gin/, experiments/ "
                "and the experiment's own directory"
            )
        there = next((one for one in inside if one.is_file()), None)
        if there is None:
            known = [
                str(one.relative_to(experiments.home()))
                for one in (experiments.home() / "gin").rglob("*.gin")
            ]
            known += [one.name for one in path.resolve().parent.glob("*.gin")]
            raise place.error(f"include {name!r} is not there{nearest(name, known)}")
        if there in seen:
            raise place.error(f"include {name!r}: it is included already, in {seen[there]}")
        if depth == DEPTH:
            raise place.error(f"include {name!r}: more than {DEPTH} includes within includes")
        seen[there] = place
        visit(there, depth + 1)

    seen[top.resolve()] = Place(_shown(top))
    visit(top, 0)
    return found


def _override(text: str) -> Binding:
    place = Place(f"{OVERRIDE} {text}" if "\n" not in text else OVERRIDE)
    key, equals, raw = text.partition("=")
    match = re.fullmatch(r"(?:([\w/]+)/)?(\w+)\.(\w+)", key.strip())
    if not match or not equals:
        known = [
            f"{name}.{field}" for name, kind in KINDS.items() for field in bindings.fields(kind)
        ]
        meant = [one for one in known if one.split(".")[1] == key.strip()]
        raise place.error(f"write it as Key=value{nearest(key.strip(), meant or known)}")
    scope, name, field = match.group(1) or "", match.group(2), match.group(3)
    raw = raw.strip()
    try:
        parser = config_parser.ConfigParser(raw, _Delegate())
        value = parser.parse_value()
        is_all = "\n" not in raw and parser.current_token.type in _ENDS
    except (SyntaxError, tokenize.TokenError, RecursionError):
        is_all = False
    except ValueError as error:
        raise place.error(str(error).split("\n")[0]) from None
    value = value if is_all else raw
    hint = bindings.fields(KINDS[name]).get(field) if name in KINDS else None
    if hint and not bindings.fits(value, hint) and bindings.fits(raw, hint):
        value = raw  # a folder called 2024 is a word
    return Binding(scope, name, field, value, place)


def _build(said: list[Binding]) -> tuple[Run, str]:
    """Lets gin make the run of checked bindings."""
    gin.clear_config()
    try:
        gin.parse_config([str(binding) for binding in said])
        run = gin.get_configurable(bindings.ROOT)()
        return run, gin.operative_config_str()
    except ValueError as error:
        raise _refused(str(error), said) from None
    finally:
        gin.clear_config()


def _refused(message: str, said: list[Binding]) -> ConfigError:
    """Finds the line that a class refuses, from what it says and what gin adds to that."""
    match = _GIN_ADDS.match(message)
    assert match, message
    what, name, scope = match.group(1), match.group(2), match.group(3) or ""
    choice = re.search(r"='([^']*)' is not one of (.*)", what)
    if choice:
        what += nearest(choice.group(1), choice.group(2).split(", ")).split(";")[0]
    bound = bindings.of(said, scope, name).values()
    near = [one for one in said if one in bound]  # of the thing itself, the last-written last
    quoted = [one for one in said if f"{one.field}={one.value!r}" in what]
    named = [one for one in near if re.search(rf"\b{one.field}=", what)]
    valued = [one for one in near if repr(one.value) in what]
    own = [one for one in quoted if one in near]
    best = own or quoted or named or valued or near
    return best[-1].place.error(what)


def _settings(run: Run) -> FrozenConfigDict:
    tree = dataclasses.asdict(run)
    if not isinstance(run.stages, str):  # ConfigDict holds no dicts in lists
        tree["stages"] = {str(number): stage for number, stage in enumerate(tree["stages"])}
    return FrozenConfigDict(tree)


def _text(name: str, said: list[Binding]) -> str:
    lines, file = [f"# experiment: {name}"], None
    for binding in said:
        if binding.place.file != file:
            file = binding.place.file
            lines += ["", f"# {file}"]
        lines.append(str(binding))
    return "\n".join(lines) + "\n"
