"""The scanner finds the line of every key of any valid TOML document."""

import tomllib
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.config.toml import Path, lines, parse

BARE = st.text("abcXYZ019_-", min_size=1, max_size=4)
TEXT = st.text("ab#=[]{},.'\"\\\t \n é", max_size=12)
VALUES = st.one_of(
    st.integers().map(str),
    st.sampled_from(
        ["true", "1979-05-27T07:32:00Z", "-1.5e3", "nan", "{}", "{ a = 1, 'b' = ']' }", '""', "''", '""""""']
    ),
    TEXT.map(lambda text: '"' + _escaped(text).replace("\n", "\\n") + '"'),
    TEXT.map(lambda text: "'" + text.replace("'", "").replace("\n", "") + "'"),
    TEXT.map(lambda text: '"""' + _escaped(text, 'x"y""z') + '"""'),
    TEXT.map(lambda text: '"""\n' + _escaped(text) + '""""'),
    TEXT.map(lambda text: "'''" + text.replace("'", "") + "''a'b'''"),
    TEXT.map(lambda text: "'''\n" + text.replace("'", "") + "'''''"),
)
GAPS = st.sampled_from(["", " ", "\n", " # ] '\"\n", "\n\n  # [x]\n"])


def _escaped(text: str, more: str = "") -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"') + more


@st.composite
def arrays(draw: st.DrawFn) -> str:
    items = draw(st.lists(st.one_of(VALUES, st.deferred(arrays)), max_size=3))
    text = "[" + draw(GAPS)
    for item in items:
        text += item + draw(GAPS) + "," + draw(GAPS)
    return text + "]"


@st.composite
def names(draw: st.DrawFn) -> tuple[str, str]:
    """A key as it is written and as it is meant."""
    name = draw(st.one_of(BARE, TEXT))
    if name and all(letter in "abcXYZ019_-" for letter in name) and draw(st.booleans()):
        return name, name
    if "'" not in name and "\n" not in name and draw(st.booleans()):
        return f"'{name}'", name
    return '"' + _escaped(name).replace("\n", "\\n") + '"', name


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, dict[Path, int]]:
    text = ""
    expected: dict[Path, int] = {}
    table: Path = ()
    for number in range(draw(st.integers(0, 6))):
        text += draw(st.sampled_from(["", "\n", "# a = [1\n", "  \n\t# '''\n"]))
        parts = [draw(names()) for _ in range(draw(st.integers(0, 2)))] + [(f"u{number}", f"u{number}")]
        parts = [(f"p{number}", f"p{number}"), *parts]  # never twice the same
        written, path = draw(st.sampled_from([".", " . "])).join(each for each, _ in parts), tuple(m for _, m in parts)
        line = text.count("\n") + 1
        kind = draw(st.sampled_from(["key", "key", "key", "table", "tables"]))
        if kind == "key":
            path = table + path
            text += draw(st.sampled_from(["", "  "])) + written + " = " + draw(st.one_of(VALUES, arrays()))
        else:
            table = path
            text += f"[ {written} ]" if kind == "table" else f"[[{written}]]"
        text += draw(st.sampled_from(["\n", " # = x\n", "\t\n"]))
        for length in range(1, len(path) + 1):
            expected.setdefault(path[:length], line)
    return text.removesuffix("\n") if draw(st.booleans()) else text, expected


@settings(max_examples=400, deadline=None, print_blob=True)
@given(documents())
def test_every_key_is_found_on_its_line(document: tuple[str, dict[Path, int]]) -> None:
    text, expected = document
    tomllib.loads(text)
    assert lines(text) == expected
    assert parse(text)[1:] == (text, [])


@settings(max_examples=400, deadline=None, print_blob=True)
@given(st.text("ab=[]{}\"'\\#.,\n 1", max_size=40))
def test_any_text_is_read_or_told(text: str) -> None:
    content, read, errors = parse(text)
    try:
        whole: dict[str, Any] | None = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        whole = None
    assert (whole is None) == bool(errors)
    if whole is not None:
        assert content == whole
    assert all(line is not None and 1 <= line <= text.count("\n") + 1 for line, _ in errors)
    assert {path[0] for path in lines(read)} == set(content)
