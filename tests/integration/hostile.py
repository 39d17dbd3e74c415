"""What nobody should type: every command, option and variable with wrong, missing or hostile values, one at a time."""

import hashlib
import io
import os
import random
import re
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, chdir, closing
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any
from unittest.mock import patch

import typer

from agent.cli import cli, main
from agent.stores.sqlite.statements import STATEMENTS
from tests.integration.commands import Desk, desk

#: A value for each argument and option that a command must have; each fits, though what it names need not be there.
FITTING = {
    "account": "A1001",
    "reference": "A1001",
    "what": "201",
    "service": "00000000000000aa",
    "id": "00000000000000aa",
    "record": "00000000000000aa",
    "of_line": "201",
    "ip": "192.0.2.7",
    "noted": "1:" + "0" * 64,
    "file": "accounts.csv",
    "site_key_file": "restored-key",
    "--from": "2026-11-01",
    "--expires": "2990-01-01",
    "--review": "90d",
    "--next": "90d",
    "--line": "201",
    "--kind": "calls",
    "--to": "made",
    "--party": "police",
    "--passphrase-file": "passphrase",
}
#: The same where a command wants another.
_OF = {
    ("list", "what"): "emergencies",
    ("replay", "file"): "capture",
    ("sites check", "file"): "sites.toml",
    ("promises check-report", "file"): "report",
    ("keys escrow check", "file"): "escrow",
    ("keys escrow restore", "file"): "escrow",
    ("keys escrow export", "file"): "new-escrow",
}

#: Text that no field of a record takes; as names of files some of these may be meant.
HOSTILE = {
    "nothing": "",
    "blank": " \t ",
    "terminal": "\x1b]0;owned\x07\x1b[2J\x1b[31mred",
    "c1": "\x9b31m\x85",
    "bidi": "\u202egnp.exe\u2066\u200b",
    "bytes": os.fsdecode(b"\xff\xfe\x80\xc3("),
    "endless": "9" * 100_000,
    "wide": "\U0001f4a5" * 2_000,
}
#: Text that is only text, wherever it goes.
CURIOUS = {
    "lines": "one\r\ntwo: three\r\n\r\nEvent: UserEvent",
    "digits": "٣٤٥",
    "sql": "'; DROP TABLE emergency; --",
    "shell": "$(touch owned); `touch owned` | touch owned & touch owned",
    "html": "<script>alert(1)</script>&amp;",
    "format": "%s%n{0.__class__}{}[/red][bold]",
    "glob": "*?[!a]{b,c}~",
    "option": "-1",
    "dots": "../../../../etc/passwd",
    "none": "null",
    "huge": "1" + "0" * 30,
    "nan": "nan",
    "float": "1e309",
    "late": "99999-12-31T23:59:59Z",
    "never": "2026-02-30",
    "leap": "2026-11-22T23:59:60Z",
    "last": "9999-12-31T23:59:59.999Z",
    "first": "0001-01-01T00:00:00+23:59",
    "beyond": "9999-12-31T23:59:59-23:59",
}
#: Where a file is asked for, these as well; ``{}`` is a folder in which they are.
PLACES = {
    "folder": "{}",
    "missing": "{}/none/such",
    "garbage": "{}/garbage",
    "empty": "{}/empty",
    "unreadable": "/proc/self/mem",
    "bottomless": "/dev/zero",
    "below": "{}/garbage/below",
    "loop": "{}/loop",
    "full": "/dev/full",
}

#: Of what is told, all mistakes of a file together.
_LONGEST = 6_000

RAW = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


CAPTURE = Path(__file__).parents[1] / "scenarios" / "captures" / "asterisk-22-demo.ami"
ACCOUNTS = "account,line,number,from\nA1001,201,,2026-01-01\nA1001,,0113 496 0100,2026-01-01\n"

#: That somebody looked is audited, whether there was anything to see or not; and what the agent tells of itself.
OF_ITS_OWN = {"audits", "probes", "alarms", "notices", "blind_times", "paths", "deletions"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrong:
    """One command line, or variable, in which one thing is wrong."""

    command: str
    of: str
    what: str
    arguments: list[str]
    environ: Mapping[str, str] = field(default_factory=dict)
    #: It may be taken all the same.
    fits: bool = False
    #: The command line itself is wrong, and not a value in it.
    malformed: bool = False

    def __str__(self) -> str:
        return f"{self.command} {self.of}={self.what}"


@dataclass(frozen=True, slots=True)
class Told:
    """What a command printed, and how it ended."""

    code: int
    out: str
    error: str


def commands() -> Iterator[tuple[str, list[Any]]]:
    """Each command with its arguments and options."""

    def below(command: Any, words: list[str]) -> Iterator[tuple[str, list[Any]]]:
        if not isinstance(command, typer.core.TyperGroup):
            yield " ".join(words), command.params
            return
        for name, each in command.commands.items():
            yield from below(each, [*words, name])

    return below(typer.main.get_command(cli), [])


def _of(command: str, parameters: list[Any], places: Mapping[str, str]) -> Iterator[Wrong]:
    words = command.split()
    required = [each for each in parameters if each.required]

    def with_(target: Any, *said: str, of: str = "", **more: Any) -> Wrong:
        others = [word for each in required if each is not target for word in _said(command, each)]
        return Wrong(command=command, of=of or target.opts[0], arguments=[*words, *others, *said], **more)

    yield with_(None, "--no-such-\x1b[31moption", of="option", what="unknown", malformed=True)
    yield with_(None, "--", "more\x1b[31m", "and more", of="argument", what="too many", malformed=True)
    for each in parameters:
        annotation, option = each.type_descriptor.annotation, each.param_type_name == "option"
        if each.required:
            yield with_(each, what="missing", malformed=True)
        if annotation is bool:
            yield with_(each, f"{each.opts[0]}=\x1b[31mperhaps", what="a flag with a value", malformed=True)
            continue
        if option:
            yield with_(each, each.opts[0], what="without its value", malformed=True)
        file = annotation is Path or each.name in ("file", "to", "config")
        closed = annotation is int or (isinstance(annotation, type) and issubclass(annotation, Enum))
        for what, value in (HOSTILE | CURIOUS | (dict(places) if file else {})).items():
            # What looks for a line finds none of such a name.
            fits = file or (not closed and (what in CURIOUS or (each.opts[0] == "--line" and not each.required)))
            yield with_(each, *([f"{each.opts[0]}={value}"] if option else ["--", value]), what=what, fits=fits)
            if option and each.envvar and not (value == "" and each.name == "config"):  # That is the machine's own.
                variable = {str(each.envvar): value}
                yield with_(each, of=str(each.envvar), what=what, fits=fits or not value, environ=variable)


def _said(command: str, parameter: Any) -> list[str]:
    name = parameter.opts[0]
    annotation = parameter.type_descriptor.annotation
    value = _OF.get((command, name)) or FITTING.get(name)
    if value is None:
        value = next(iter(annotation)).value if issubclass(annotation, Enum) else "sam"
    return [value] if parameter.param_type_name == "argument" else [name, value]


def tell(arguments: list[str], folder: Path, environ: Mapping[str, str]) -> Told:
    """Run a command as from a shell, but within this process.

    Raises whatever a user would see as a traceback.
    """
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TELEPHONY_AGENT_")}
    out, error = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in "oe")
    with (
        open(os.devnull) as nothing,
        chdir(folder),
        patch.dict(os.environ, clean | {"NO_COLOR": "1", "COLUMNS": "200"} | dict(environ), clear=True),
        patch.multiple(sys, argv=["telephony-agent", *arguments], stdin=nothing, stdout=out, stderr=error),
    ):
        code: object = 0
        try:
            main()
        except SystemExit as end:
            code = end.code
    said = []
    for stream in (out, error):
        stream.flush()
        said.append(stream.buffer.getvalue().decode())
    assert isinstance(code, int)
    return Told(code, *said)


def _faults(wrong: Wrong, told: Told) -> Iterator[str]:
    """What is not as it should be about how a command took what was wrong."""
    if told.code == 0 and not wrong.fits:
        yield "it was taken"
    for name, text in (("stdout", told.out), ("stderr", told.error)):
        if raw := RAW.search(text.replace("\r\n", "\n")):  # A CSV's lines end so.
            yield f"raw {raw[0]!a} on {name}"
    sentences = told.error.count("telephony-agent: ") + told.error.count("─ Error ─")
    # What a command was asked to judge, it says on its standard output.
    judged = told.code == 1 and not sentences and told.out
    if told.code and not judged and sentences != 1:
        yield f"{sentences} sentences"
    if len(told.error) > _LONGEST:
        yield f"{len(told.error)} characters of it"


#: The agent looks every few seconds.
_LOCKED_S = 60.0


@dataclass(frozen=True, slots=True)
class Beside:
    """A running agent with a customer and keys; and a folder with files that commands take, and such as none does."""

    desk: Desk
    folder: Path
    places: Mapping[str, str]

    def every(self) -> Iterator[Wrong]:
        """Every command with every wrong thing."""
        for command, parameters in commands():
            yield from _of(command, parameters, self.places)

    def faults(self, wrong: Iterable[Wrong]) -> Iterator[str]:
        """What is not as it should be when these are said, one after another."""
        config = {"TELEPHONY_AGENT_CONFIG": str(self.desk.agent.config)}
        with closing(sqlite3.connect(f"file:{self.desk.agent.store}?mode=ro", uri=True)) as store:
            _settle(store)
            before, seen = _digests(store), _version(store)
            for said in wrong:
                told = tell(said.arguments, self.folder, {**config, **said.environ})
                found = list(_faults(said, told))
                if (version := _version(store)) != seen:
                    after, seen = _digests(store), version
                    if told.code and said.command != "subject canary":  # It goes on when nobody waits for it.
                        found += [f"{table} changed" for table in after if after[table] != before[table]]
                    before = after
                yield from (f"{said}: {fault}\n{told}" for fault in found)


def _version(store: sqlite3.Connection) -> int:
    """Another one when something was committed."""
    return int(store.execute("PRAGMA data_version").fetchone()[0])


def _digests(store: sqlite3.Connection) -> dict[str, str]:
    """One of the content of each table."""
    names = {name for (name,) in store.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    rows = {name: store.execute(f'SELECT * FROM "{name}"').fetchall() for name in names - OF_ITS_OWN}
    return {name: hashlib.sha256(repr(rows[name]).encode()).hexdigest() for name in sorted(rows)}


@asynccontextmanager
async def beside(folder: Path) -> AsyncIterator[Beside]:
    """It, in ``folder``."""
    own, work, odd = (folder / name for name in ("agent", "work", "odd"))
    for each in (own, work, odd):
        each.mkdir()
    _private(own / "site-key", "ab" * 32)
    _private(own / "passphrase", "correct horse battery staple again")
    (own / "accounts.csv").write_text(ACCOUNTS)
    (odd / "garbage").write_bytes(random.Random(1).randbytes(4096))
    (odd / "empty").touch()
    (odd / "loop").symlink_to("loop")
    settings = '[subjects]\ncanary_every_h = 0\n[keys]\nsite_key_file = "site-key"\n'
    async with desk(own, settings) as running:
        for command in (
            "account import accounts.csv",
            "keys escrow export escrow --passphrase-file passphrase",
            "promises verify --report report",
        ):
            await running.run(*command.split())
        for name in ("accounts.csv", "sites.toml", "escrow", "report", "passphrase"):
            _private(work / name, (own / name).read_text())
        (work / "capture").write_bytes(CAPTURE.read_bytes())
        yield Beside(running, work, {name: path.format(odd) for name, path in PLACES.items()})


def _settle(store: sqlite3.Connection) -> None:
    """Return when everything is locked: what an emergency left in clear the agent locks a little later by itself."""
    counts = [statement for name, statement in STATEMENTS.items() if name.startswith("unlocked_")]
    latest = time.monotonic() + _LOCKED_S
    while any(store.execute(statement).fetchone()[0] for statement in counts):
        assert time.monotonic() < latest, "it is not locked"
        time.sleep(0.1)


def _private(path: Path, text: str) -> None:
    path.touch(0o600)
    path.write_text(text)
