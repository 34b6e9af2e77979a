"""Statements: gin files and command lines, taken apart into bindings with their places.

A gin file here says values and nothing else: it runs no code, so one from a stranger is safe to
read. `import`, macros, characters that one does not see, and files outside `gin/`, `experiments/`
and the experiment's own directory are refused; so is more than a person would write.
"""

import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

from gin import config_parser

from archlab import bindings, experiments
from archlab.bindings import Binding, ConfigError, Place, Reference
from archlab.spelling import meant, nearest

BYTES = 32_768  # of an experiment, with what it includes; a sentence takes a thousand
BITS = 64  # of a whole number
DEPTH = 8  # of includes within includes
OVERRIDE = "--set"
CONSTANTS = ("True", "False", "None")
_ENDS = (tokenize.NEWLINE, tokenize.ENDMARKER)


def closure(top: Path, kinds: dict[str, type]) -> list[Binding]:
    """Reads a file and what it includes.

    Args:
      top: the file.
      kinds: the classes, by name.

    Returns:
      All bindings, in order, with nothing checked but the blocks' classes.

    Raises:
      ConfigError: what is not gin, or not allowed here, with its line.
    """
    allowed = [experiments.home() / "gin", experiments.home() / "experiments", top.resolve().parent]
    seen: dict[Path, Place] = {}
    sizes: list[int] = []
    found: list[Binding] = []

    def visit(path: Path, depth: int) -> None:
        raw = _raw(path, BYTES - sum(sizes))
        sizes.append(len(raw))
        for place, statement in _statements(_text(raw, shown(path)), shown(path)):
            if isinstance(statement, config_parser.IncludeStatement):
                include(statement.filename, path, place, depth)
            elif isinstance(statement, config_parser.ImportStatement):
                raise place.error(
                    f"{statement.format()!r}: gin files import nothing; "
                    "name your own Python with --module"
                )
            elif isinstance(statement, config_parser.BlockDeclaration):
                bindings.check_name(place, statement.scope, statement.selector, kinds)
            elif not statement.arg_name:
                raise place.error(
                    f"{statement.selector!r} is bound as a macro; bind a field, like Size.layers"
                )
            else:
                scope, name, field, value, _ = statement
                found.append(Binding(scope, name, field, value, place))

    def include(name: str, path: Path, place: Place, depth: int) -> None:
        home, own = experiments.home(), path.resolve().parent
        try:
            choices = [(base / name).resolve() for base in (home, own)]
            inside = [one for one in choices if any(map(one.is_relative_to, allowed))]
            there = next((one for one in inside if one.is_file()), None)
        except (OSError, RuntimeError, ValueError) as error:  # too long, or links that go round
            raise place.error(f"include {name!r} is refused: {error}") from None
        if there is None or Path(name).suffix != ".gin":
            known = [str(one.relative_to(home)) for one in (home / "gin").rglob("*.gin")]
            hint = nearest(name, [*known, *(one.name for one in own.glob("*.gin"))])
            if inside and Path(name).suffix == ".gin":
                raise place.error(f"include {name!r} is not there{hint}")
            raise place.error(
                f"include {name!r} is refused: only .gin files of gin/, experiments/ and the "
                f"experiment's own directory{'' if hint.startswith(';') else hint}"
            )
        if there in seen:
            raise place.error(f"include {name!r}: it is included already, in {seen[there]}")
        if depth == DEPTH:
            raise place.error(f"include {name!r}: more than {DEPTH} includes within includes")
        seen[there] = place
        visit(there, depth + 1)

    seen[top.resolve()] = Place(shown(top))
    visit(top, 0)
    return found


def override(text: str, kinds: dict[str, type]) -> Binding:
    """Reads what the command line says in place of a file.

    Example:
      "span/Stage.tokens=3M"

    Args:
      text: key, "=" and value; words need no quotes.
      kinds: the classes, by name.

    Returns:
      The binding, not checked.

    Raises:
      ConfigError: it has no such form.
    """
    place = Place(f"{OVERRIDE} {text}" if "\n" not in text else OVERRIDE)
    key, equals, raw = text.partition("=")
    match = re.fullmatch(r"(?:([\w/]+)/)?(\w+)\.(\w+)", key.strip())
    if not match or not equals:
        known = [
            f"{name}.{field}" for name, kind in kinds.items() for field in bindings.fields(kind)
        ]
        field = meant(key.strip(), [one.split(".")[1] for one in known])
        alike = [one for one in known if one.split(".")[1] == field]
        raise place.error(f"write it as Key=value{nearest(key.strip(), alike or known)}")
    scope, name, field = match.group(1) or "", match.group(2), match.group(3)
    raw = raw.strip()
    try:
        parser = _Parser(raw)
        value = parser.parse_value()
        is_all = "\n" not in raw and parser.current_token.type in _ENDS
    except (SyntaxError, tokenize.TokenError, RecursionError, TypeError):
        is_all = False
    except ValueError as error:
        raise place.error(str(error).split("\n")[0]) from None
    value = value if is_all else raw
    hint = bindings.fields(kinds[name]).get(field) if name in kinds else None
    if hint and not bindings.fits(value, hint) and bindings.fits(raw, hint):
        value = raw  # a folder called 2024 is a word
    return Binding(scope, name, field, value, place)


def shown(path: Path) -> str:
    """Names a file as people would.

    Args:
      path: of the file.

    Returns:
      Its path; within the checkout, without the path of that.
    """
    return (
        str(path.relative_to(experiments.home()))
        if path.is_relative_to(experiments.home())
        else str(path)
    )


def _raw(path: Path, room: int) -> bytes:
    """Reads a file, and never more of it than there is room for."""
    try:
        with path.open("rb") as file:
            raw = file.read(room + 1)
    except OSError as error:
        raise Place(shown(path)).error(f"it cannot be read: {error.strerror}") from None
    if len(raw) > room:
        said = f"an experiment, with what it includes, has at most {BYTES} bytes, and this is more"
        raise Place(shown(path)).error(said)
    return raw


def _text(raw: bytes, file: str) -> str:
    """Makes text of a file, in which nothing stands that one does not see."""
    lines = []
    for number, line in enumerate(raw.splitlines(), 1):
        try:
            lines.append(line.decode())
        except UnicodeDecodeError:
            raise Place(file, number).error("this is not text in UTF-8") from None
        if hidden := bindings.unseen(lines[-1].replace("\t", " ")):
            raise Place(file, number).error(f"{hidden!a} is a character that one does not see")
    return "\n".join([*lines, ""])


class _Delegate(config_parser.ParserDelegate):
    """What gin's parser makes of @ and %: a `Reference`, and a refusal. It looks nothing up."""

    def configurable_reference(self, scoped_configurable_name, evaluate):
        scope, _, name = scoped_configurable_name.rpartition("/")
        return Reference(scope, name, evaluate)

    def macro(self, macro_name):
        raise ValueError(f"%{macro_name} is a macro; write the value itself")


class _Parser(config_parser.ConfigParser):
    """Gin's parser, which of a word without quotes says nothing that helps."""

    def __init__(self, text: str):
        super().__init__(text, _Delegate())

    def parse_value(self):
        word = self.current_token.string
        if self.current_token.type == tokenize.NAME and word not in CONSTANTS:
            like = [one for one in CONSTANTS if one.lower() == word.lower()] or [repr(word)]
            raise SyntaxError(f"{word} is a bare word, did you mean {like[0]}?")
        value = super().parse_value()
        if isinstance(value, int) and value.bit_length() > BITS:
            raise ValueError(f"a whole number of {value.bit_length()} bits; at most {BITS}")
        return value


def _statements(text: str, file: str) -> Iterator:
    # gin's parser fails in many ways on a file that is not gin, and most do not name the line.
    parser, place = None, Place(file, 1)
    try:
        parser = _Parser(text)
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
    except TypeError:
        line = parser.current_token.start[0] if parser else 1
        raise Place(file, line).error("a list or a dict is no key of a dict") from None
    except ValueError as error:
        if isinstance(error, ConfigError):
            raise
        line = parser.current_token.start[0] if parser else 1
        raise Place(file, line).error(str(error).split("\n")[0]) from None
