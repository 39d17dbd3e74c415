"""A table file is read into any model, and a private one never has its values repeated."""

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field

from agent.config import ConfigError, Mistake
from agent.config.model import Key, Section
from agent.config.tables import load

SECRET = "s3cret-c4nary"
_URL = Key(meaning="Where to.", takes="an address that begins with https://", example='"https://example.net/x"')
_LEVEL = Key(meaning="When.", takes="1 or 2", example="1")


class Hook(Section):
    """One kind."""

    kind: Annotated[Literal["hook"], Key(meaning="The kind.", takes='"hook"', example='"hook"')]
    url: Annotated[str, Field(pattern=r"https://.*"), _URL]
    level: Annotated[int, Field(ge=1, le=2), _LEVEL] = 1


class Ring(Section):
    """Another kind."""

    kind: Annotated[Literal["ring"], Key(meaning="The kind.", takes='"ring"', example='"ring"')]
    lines: Annotated[tuple[str, ...], Field(strict=False), Key(meaning="x", takes="lines", example='["201"]')]


class Channels(Section):
    """A file of kinds."""

    channels: dict[str, Annotated[Hook | Ring, Field(discriminator="kind")]] = Field(default_factory=dict)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "my channels.toml"
    path.touch(0o600)
    return path


def mistakes(path: Path, *, private: bool = True) -> tuple[Mistake, ...]:
    with pytest.raises(ConfigError) as caught:
        load(path, Channels, private=private)
    assert not private or SECRET not in str(caught.value) + repr(caught.value.args)
    assert caught.value.__context__ is None
    return caught.value.mistakes


def test_several_kinds_of_table(file: Path) -> None:
    file.write_text(
        f'[channels]\na = {{ kind = "ring", lines = ["1"] }}\n[channels.b]\nkind="hook"\nurl="https://{SECRET}"'
    )
    channels = load(file, Channels, private=True).channels
    assert channels == {"a": Ring(kind="ring", lines=("1",)), "b": Hook(kind="hook", url=f"https://{SECRET}")}


@pytest.mark.parametrize(
    ("text", "line", "key", "told"),
    [
        (f'kind = "{SECRET}"\n', 2, "channels.a.kind", "found a text; expected \"hook\" or \"ring\". Example: kind = "),
        (f'url = "{SECRET}"\n', 1, "channels.a.kind", 'it is missing; expected "hook" or "ring".'),
        (f'kind = "hook"\nurl = "{SECRET}"\n', 3, "channels.a.url", "a text; expected an address that begins"),
        (f'kind = "hook"\nurl = ["{SECRET}"]\n', 3, "channels.a.url", "found an array; expected an address"),
        ('kind = "hook"\n', 1, "channels.a.url", 'it is missing; expected an address that'),
        (f'kind = "ring"\nlines = ["1", ["{SECRET}"]]\n', 3, "channels.a.lines", "found an array; expected lines"),
        (f'kind = "hook"\nurl = "https://x"\nurll = "{SECRET}"\n', 4, "channels.a.urll", "did you mean `url`?"),
        (f'kind = "hook"\nurl = {SECRET}\n', 3, "", "not TOML: invalid value"),
        (f'kind = "hook"\nurl = "https://x"\nlevel = "{SECRET}"\n', 4, "channels.a.level", "expected 1 or 2"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_private_file(file: Path, text: str, line: int, key: str, told: str) -> None:
    file.write_text(f"[channels.a]\n{text}")
    (mistake,) = mistakes(file)
    assert (mistake.line, mistake.key) == (line, key)
    assert told in str(mistake)


def test_what_is_not_private_is_shown(file: Path) -> None:
    file.chmod(0o644)
    file.write_text('[channels.a]\nkind = "hok"\n')
    (mistake,) = mistakes(file, private=False)
    assert mistake.found == "found 'hok'"


def test_one_text_in_place_of_a_table(file: Path) -> None:
    file.write_text(f'[channels]\na = "{SECRET}"\n')
    (mistake,) = mistakes(file)
    assert str(mistake).endswith(
        ":2: [channels] a: a text in place of a table; write a line [channels.a] above its keys."
    )


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o620, 0o602, 0o644])
def test_a_private_file_that_others_may_use(file: Path, mode: int) -> None:
    file.chmod(mode)
    (mistake,) = mistakes(file)
    assert f"it has mode {mode:04o}: others than its owner may use it" in mistake.found
    assert mistake.example == f"chmod 600 '{file}'"
    assert load(file, Channels).channels == {}
