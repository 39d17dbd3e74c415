"""A TOML file of its own for a table of many entries: it becomes one frozen, checked model, or a list of mistakes."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, cast, get_args, get_origin

from pydantic import BaseModel, ValidationError, ValidationInfo
from pydantic_core import ErrorDetails

from agent.config import text, toml
from agent.config.mistakes import ConfigError, Mistake, named, nearest, shown
from agent.config.model import Key, Section
from agent.config.values import Unfit

#: 10,000 sites and networks and 100,000 lines are 11 MB.
MOST_BYTES = 1 << 24

#: More are counted only: one slip of a script that writes the file makes as many as it has lines.
MOST_MISTAKES = 100

T = TypeVar("T", bound=Section)


class Unlisted(ValueError):
    """A name that is none of ``known``, which the file itself lists as ``kind``; the nearest is suggested."""

    def __init__(self, kind: str, known: Collection[str]) -> None:
        super().__init__(kind)
        self.kind, self.known = kind, known


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """The file as a validator sees it (``ValidationInfo.context``), to check one entry against others.

    ``content`` is what the file says, unchecked; ``taken`` is for what may stand there once: thing → its first name.
    """

    content: dict[str, Any]
    taken: dict[Any, str] = field(default_factory=dict)

    def names(self, table: str) -> Collection[str]:
        """The names in a table of the file, checked or not."""
        entries = self.content.get(table)
        return entries.keys() if isinstance(entries, dict) else ()


def whole(info: ValidationInfo) -> Whole:
    """The file that a validator's value stands in."""
    return cast(Whole, info.context)


def load(path: Path, model: type[T], *, private: bool = False) -> T:
    """Read the TOML file at ``path`` into ``model``, whose keys each have a `Key`.

    A key may be a value, a table (`Section`), a table of named things (``dict``), or one of several tables that a key
    ``Literal`` tells apart (``Field(discriminator=…)``).

    Args:
        path: The file.
        model: What it must hold; its validators get a `Whole` as ``ValidationInfo.context``.
        private: The file holds secrets: one that others than its owner may use is refused, and no value is repeated.

    Raises:
        ConfigError: with every mistake there is (of more than `MOST_MISTAKES` the rest as a number).
    """
    written = text.read(path, most_bytes=MOST_BYTES, private=private)
    if isinstance(written, Mistake):
        raise ConfigError([written])
    content, written, errors = toml.parse(written)
    loaded, wrong = _validated(model, content)
    if errors:  # what is missing may have stood on a line that could not be read
        wrong = [error for error in wrong if error["type"] not in ("missing", "union_tag_not_found")]
    if loaded is None or errors or wrong:
        teller = _Teller(path=path, lines=toml.lines(written), model=model, private=private)
        raise ConfigError(
            _bounded(path, [*text.not_toml(path, errors), *map(teller.mistake, wrong[:MOST_MISTAKES])], len(wrong))
        )
    return loaded


def _validated(model: type[T], content: dict[str, Any]) -> tuple[T | None, list[ErrorDetails]]:
    try:
        return model.model_validate(content, context=Whole(content=content)), []
    except ValidationError as error:
        return None, error.errors(include_url=False)


def _bounded(path: Path, mistakes: Iterable[Mistake], wrong: int) -> Iterator[Mistake]:
    yield from sorted(mistakes, key=lambda each: each.line or 0)
    if wrong > MOST_MISTAKES:
        yield Mistake(
            origin=str(path),
            found=f"{wrong - MOST_MISTAKES} more mistakes",
            expected="mend those above, and look again",
        )


@dataclass(slots=True, kw_only=True)
class _Teller:
    """Turns pydantic's errors into mistakes."""

    path: Path
    lines: dict[toml.Path, int]
    model: type[Section]
    private: bool
    _nearest: dict[str, str | None] = field(default_factory=dict)

    def mistake(self, error: ErrorDetails) -> Mistake:
        """One line for the operator."""
        spot = _spot(self.model, error)
        outwards = (spot.path[:length] for length in range(len(spot.path), 0, -1))
        found, expected, example = self._told(error, spot)
        return Mistake(
            origin=str(self.path),
            line=next((self.lines[path] for path in outwards if path in self.lines), None),
            key=_dotted(spot.path),
            found=found,
            expected=expected,
            example=example,
        )

    def _told(self, error: ErrorDetails, spot: "_Spot") -> tuple[str, str, str]:
        """What was found, what was expected, and an example."""
        value, about, context = error["input"], spot.about, error.get("ctx", {})
        match error["type"]:
            case "extra_forbidden":
                return self._unknown(spot, value)
            case "missing" | "union_tag_not_found":
                found = "it is missing"
            case "union_tag_invalid":
                found = f"found {self._shown(value[spot.path[-1]])}"
            case "model_type" | "dict_type" | "model_attributes_type":
                header = f"[{_dotted(spot.path)}]"
                return f"{self._shown(value)} in place of a table", f"write a line {header} above its keys", ""
            case _:
                found = f"found {self._shown(value)}"
        reason = context.get("error")
        if isinstance(reason, Unlisted):
            return f"{found}, none of the {reason.kind}", self._listed(str(value), reason), ""
        takes = about.takes if about is not None else "another value"
        example = about.example if about is not None else ""
        if example and not spot.name:
            example = f"{spot.path[-1]} = {example}"
        return found, f"expected {reason if isinstance(reason, Unfit) else takes}", example

    def _unknown(self, spot: "_Spot", value: object) -> tuple[str, str, str]:
        known, kind = spot.table.model_fields, "table" if isinstance(value, dict) else "key"
        likely = nearest(spot.path[-1], known)
        if likely is None:
            return f"unknown {kind}", f"known are {', '.join(known)}", ""
        if isinstance(value, dict):
            return "unknown table", f"did you mean [{_dotted((*spot.path[:-1], likely))}]?", ""
        about = _key(known[likely].metadata)
        return "unknown key", f"did you mean `{likely}`?", f"{likely} = {about.example}" if about is not None else ""

    def _listed(self, name: str, reason: Unlisted) -> str:
        if name not in self._nearest:
            self._nearest[name] = nearest(name, reason.known)
        if (likely := self._nearest[name]) is not None:
            return f"did you mean {named(likely)}?"
        first = ", ".join(map(named, islice(reason.known, 8)))
        return f"they are {first}{', …' if len(reason.known) > 8 else ''}" if first else "the file names none"

    def _shown(self, value: object) -> str:
        return shown(value, private=self.private)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Spot:
    """Where an error is: its path in the file, what the innermost key takes, and the table around it.

    ``name``: it is the name itself that is wrong, that of an entry.
    """

    path: toml.Path
    about: Key | None
    table: type[BaseModel]
    name: bool = False


def _spot(model: type[Section], error: ErrorDetails) -> _Spot:
    kind: Any = model
    table: type[BaseModel] = model
    names: Any = None
    path: list[str] = []
    about: Key | None = None
    for item in error["loc"]:
        kind = _without_none(kind)
        if item == "[key]" and names is not None and error["type"] != "extra_forbidden":
            return _Spot(path=tuple(path), about=_key(get_args(names)[1:]), table=table, name=True)
        if isinstance(item, int):
            (kind, *_), names = get_args(kind) or (str,), None
            about = _key(get_args(kind)[1:]) or about
        elif isinstance(kind, type) and issubclass(kind, BaseModel):
            path.append(item)
            table, names = kind, None
            known = kind.model_fields.get(item)
            kind, about = (known.annotation, _key(known.metadata)) if known is not None else (None, None)
        elif get_origin(kind) is dict:
            path.append(item)
            names, kind = get_args(kind)
            about = _key(get_args(kind)[1:])
        else:  # the tag of one of several tables
            kind = next((each for each in get_args(kind) if item in _tags(each)), None)
    if error["type"].startswith("union_tag"):
        path.append(str(error["ctx"]["discriminator"]).strip("'"))
        tags = [f'"{tag}"' for each in get_args(_without_none(kind)) for tag in _tags(each, path[-1])]
        about = Key(meaning="Which kind of table it is.", takes=" or ".join(tags), example=tags[0])
    return _Spot(path=tuple(path), about=about, table=table)


def _without_none(kind: Any) -> Any:
    """A type without what is said of it, and without its None."""
    while get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if get_origin(kind) in (Union, UnionType):
        rest = [each for each in get_args(kind) if each is not type(None)]
        return _without_none(rest[0]) if len(rest) == 1 else Union[tuple(rest)]  # noqa: UP007
    return kind


def _tags(kind: Any, *names: str) -> list[str]:
    """What a table's keys ``Literal`` allow, those of ``names`` or all."""
    fields = getattr(_without_none(kind), "model_fields", {})
    literals = [fields[name].annotation for name in names or fields if name in fields]
    return [tag for each in literals if get_origin(each) is Literal for tag in get_args(each)]


def _key(metadata: Iterable[object]) -> Key | None:
    return next((item for item in metadata if isinstance(item, Key)), None)


def _dotted(path: toml.Path) -> str:
    return ".".join(map(named, path))
