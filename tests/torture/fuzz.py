"""Hostile bytes into everything that reads any: the AMI edge, files, imports, the command line, sockets."""

import asyncio
import json
import random
import re
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from structlog.testing import capture_logs

from agent.assembly import replaying
from agent.config import ConfigError, channels, load, sites
from agent.core.normalise.journal import entry_of
from agent.core.wire import Message
from agent.sources.replay import NotACapture
from agent.views import unix
from tests.integration import hostile
from tests.integration.test_calls import Reading
from tests.lab.provision import die_with_parent
from tests.scenarios.cdrs import START_S, cdr, text
from tests.torture.edge import Noise
from tests.torture.rounds import BrokenError, Counts, Round, Torment

ROOT = Path(__file__).parents[2]
#: A process each.
EDGES = 2
MESSAGES = 300_000
_EXAMPLES = {name: (ROOT / "docker" / f"{name}.toml.example").read_bytes() for name in ("agent", "sites", "channels")}
_PATIENCE_S = 30.0

#: What readers trip over, of any format.
_WORDS = [
    b"",
    b"\0",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\xed\xa0\x80",
    b"\r\n",
    b"\n",
    b'"',
    b"'''",
    b'"""',
    b"[[",
    b"[" * 3_000,
    b"{" * 3_000,
    b"a." * 900,
    b"=",
    b",",
    b";",
    b"#",
    b"\\u0000",
    b"\x1b[2J",
    b"\xe2\x80\xae",
    b"-1",
    b"1e999",
    b"9" * 400,
    b"9999-12-31T23:59:59-23:59",
    b"true",
    b"null",
    b"../../etc/passwd",
    b"/dev/zero",
    b"'; DROP TABLE calls; --",
    "٣".encode(),
    b"\xf0\x9f\x92\xa5" * 300,
]


def bent(draw: random.Random, content: bytes) -> bytes:
    """``content`` with some of it changed, put in, left out, doubled or moved."""
    bytes_ = bytearray(content)
    for _ in range(draw.choice((1, 1, 1, 2, 3, 8))):
        place = draw.randrange(len(bytes_) + 1)
        end = min(len(bytes_), place + draw.choice((1, 1, 4, 20, 200)))
        match draw.randrange(5):
            case 0:
                bytes_[place:end] = draw.choice(_WORDS)
            case 1:
                bytes_[place:place] = draw.choice(_WORDS)
            case 2:
                del bytes_[place:end]
            case 3:
                bytes_[place:place] = bytes_[place:end]
            case 4:
                bytes_[place:end] = bytes(draw.randrange(256) for _ in range(end - place))
    return bytes(bytes_[: draw.randrange(len(bytes_) + 1)] if draw.random() < 0.1 else bytes_)


@asynccontextmanager
async def fuzz(folder: Path) -> AsyncIterator[Torment]:
    """See `tests.torture.rounds.Part`: beside a running agent."""
    async with hostile.beside(folder) as beside:

        async def torment(turn: Round) -> Counts:
            edges = [
                asyncio.create_task(_edge(f"{turn.draw.random()}", turn.of(MESSAGES // EDGES))) for _ in range(EDGES)
            ]
            try:
                counts: Counter[str] = Counter()
                counts.update(await asyncio.to_thread(_configurations, turn))
                counts.update(await asyncio.to_thread(_replays, turn))
                counts.update(await asyncio.to_thread(_commands, turn, beside))
                counts.update(await _calls(turn))
                counts.update(await _sockets(turn, beside))
                heard = [await each for each in edges]
            finally:
                for each in edges:
                    each.cancel()
            samples = {name: [each.pop(name) for each in heard] for name in ("slowest_ms", "most_held")}
            for told in heard:
                counts.update(told)
            return {**counts, **samples}

        yield torment


async def _edge(seed: str, messages: int) -> dict[str, float]:
    """One process of `tests.torture.edge`."""
    process = await asyncio.create_subprocess_exec(
        *(*die_with_parent(), sys.executable, "-m", "tests.torture.edge", seed, str(messages)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, error = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    if process.returncode:
        raise BrokenError(f"python -m tests.torture.edge {seed} {messages}: {error.decode()[-2_000:]}")
    told: dict[str, float] = json.loads(out)
    return told


def _configurations(turn: Round) -> dict[str, float]:
    """Configuration files, tables and variables: every mistake in the operator's words, with its file, or none."""
    loaders: dict[str, Callable[[Path], object]] = {
        "agent": lambda path: load(path, _environ(turn.draw), secrets_required=turn.draw.random() < 0.5),
        "sites": sites.load,
        "channels": channels.load,
    }
    counts = {"configurations": 0.0, "refused_configurations": 0.0}
    for _ in range(turn.of(600)):
        name = turn.draw.choice(list(loaders))
        path = turn.folder / f"{name}.toml"
        path.touch(0o600)
        path.write_bytes(bent(turn.draw, _EXAMPLES[name]))
        counts["configurations"] += 1
        try:
            loaders[name](path)
        except ConfigError as refused:
            counts["refused_configurations"] += 1
            _plain(f"{refused}")
    return counts


def _environ(draw: random.Random) -> dict[str, str]:
    if draw.random() < 0.7:
        return {}
    name = draw.choice(("AMI__PORT", "STORE__URL", "HTTP__LISTEN", "RETENTION__CALL_DAYS", "AMI", "__", "EMERGENCY"))
    return {f"TELEPHONY_AGENT_{name}": draw.choice(_WORDS).decode("utf-8", "surrogateescape")}


def _plain(text: str) -> None:
    if found := hostile.RAW.search(text):
        raise BrokenError(f"raw {found[0]!a} is told: {text[:400]!a}")
    # A path that stands in the file is told whole; a line of it has 2,048 characters at the most.
    if (longest := max(map(len, text.split("\n")))) > 3_000:
        raise BrokenError(f"a line of {longest} characters is told")


def _replays(turn: Round) -> dict[str, float]:
    """Captured streams: records, or one sentence."""
    noise = Noise(turn.draw)
    for _ in range(turn.of(30)):
        stream = b"\r\n\r\n".join(noise.message(1_795_348_800_000) for _ in range(turn.draw.randrange(60)))
        if turn.draw.random() < 0.5:
            stream = b"Asterisk Call Manager/9\r\n" + stream
        try:
            replaying.replayed(load(None, {}, secrets_required=False), [bent(turn.draw, stream)], source="noise")
        except NotACapture as refused:
            _plain(f"{refused}")
    return {"replays": turn.of(30)}


#: Each command that reads a file, with what is right in it.
_READING: Mapping[str, str] = {
    "account import {} --dry-run": "accounts.csv",
    "sites check {}": "sites.toml",
    "promises check-report {}": "report",
    "keys escrow check {} --passphrase-file passphrase": "escrow",
    "keys escrow check escrow --passphrase-file {}": "passphrase",
    "replay {}": "capture",
}


def _commands(turn: Round, beside: hostile.Beside) -> dict[str, float]:
    """Command lines that are wrong, and files that commands read."""
    said = turn.draw.sample(list(beside.every()), turn.of(60))
    for number in range(turn.of(30)):
        command, file = turn.draw.choice(list(_READING.items()))
        suffix = turn.draw.choice((".toml", ".csv", ""))
        path = turn.folder / f"{number}-{file}{suffix}"
        path.touch(0o600)
        path.write_bytes(bent(turn.draw, (beside.folder / file).read_bytes()))
        words = [str(path) if word == "{}" else word for word in command.split()]
        said.append(hostile.Wrong(command=command, of="file", what=path.name, arguments=words, fits=True))
    if fault := next(beside.faults(said), None):
        raise BrokenError(fault)
    return {"commands": len(said)}


async def _calls(turn: Round) -> dict[str, float]:
    """Asterisk's file of calls and texts: each whole line is kept once, whatever stands around it."""
    count = turn.of(200)
    whole = {number: (cdr if turn.draw.random() < 0.7 else text)(number) for number in range(count)}
    pieces = [*whole.values()]
    for _ in range(count):
        junk = bent(turn.draw, turn.draw.choice([*whole.values()]).replace(b"1795380", b"1695380"))
        # What comes before a line may be of any form, and a whole line of its own too; but ends where it begins.
        pieces.insert(turn.draw.randrange(len(pieces) + 1), junk + b"\n")
    folder = turn.folder / "calls"
    folder.mkdir()
    async with AsyncExitStack() as stack:
        stack.enter_context(capture_logs())
        reading = await stack.enter_async_context(Reading(folder))
        reading.file.write_bytes(b"".join(pieces))
        if not await reading.source.once() or reading.left():
            raise BrokenError(f"the file of calls was not read: {reading.source.fault}, {reading.left()}")
        kept = [call.started_at for call in reading.stored()] + [sent.at for sent in reading.texts()]
    real = sum(START_S <= at // 1000 < START_S + count for at in kept)
    if real != count:
        raise BrokenError(f"of {count} calls and texts {real} were kept")
    for _ in range(turn.of(1_000)):
        value = bent(turn.draw, b"Call=1795380280.1|Uniqueid=1795380280.1|Stage=Dialled|At=1795380280.123|Number=999")
        key = bent(turn.draw, b"/emergency-journal/1795380280.1/1795380280.1-Dialled-0")
        headers = {"Key": key.decode("utf-8", "backslashreplace"), "Val": value.decode("utf-8", "backslashreplace")}
        entry_of(Message("DBGetTreeResponse", headers))
    return {"calls_and_texts": count, "journal_entries": turn.of(1_000)}


_REQUESTS = [
    b"POST /acknowledge HTTP/1.1\r\nHost: agent\r\nContent-Length: 45\r\n\r\n"
    b'{"id": "00000000000000aa", "by": "somebody  "}',
    b"POST /accounts/import HTTP/1.1\r\nHost: agent\r\nContent-Length: 62\r\n\r\n"
    b'{"dry_run": true}\n[1, {"account": "A1001", "line": "201"}]    ',
    b"POST /audit/list HTTP/1.1\r\nHost: agent\r\nTransfer-Encoding: chunked\r\n\r\n12\r\n"
    b'{"reason": "look"}\r\n0\r\n\r\n',
    b"GET /phones HTTP/1.1\r\nHost: agent\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\nHost: agent\r\n\r\n",
    b"GET /readyz HTTP/1.1\r\nHost: agent\r\n\r\n",
]
#: What the control socket answers to, found and not listed; but for what goes on when nobody waits for it.
_PATHS = sorted(
    {
        path
        for view in (ROOT / "agent" / "views").glob("*.py")
        for path in re.findall(r'post\("(/[^"]+)"', view.read_text())
    }
    - {"/subjects/canary", "/purge"}
)
_FIELDS = re.compile(r"a request is a JSON object of ([a-z_, ]+)")
_MISSING = re.compile(r'"(\w+) is missing')
#: A failure of its own, or a sentence that says nothing.
_FAILED = re.compile(rb"^HTTP/1\.1 5(?!03|02)|takes None", re.MULTILINE)
_FITTING: Mapping[str, object] = {
    **{name.removeprefix("--"): value for name, value in hostile.FITTING.items()},
    "lines": ["201"],
    "fields": ["calls"],
    "answer": "yes",
    "waits_for": "identity",
    "outcome": "granted",
    "trigger": "service",
    "calls": "all",
    "why": "mistake",
    **dict.fromkeys(("begin", "since", "until", "at"), 1_795_380_280_000),
    **dict.fromkeys(("end", "expires_at", "review_at", "received_at"), 1_895_380_280_000),
    **dict.fromkeys(("dry_run", "secret", "lifted", "closed", "sole_user"), False),
    "kinds": ["calls"],
    "asks": "access",
}
#: What fits some field or other, and what fits none.
_SAID: list[object] = [
    *hostile.FITTING.values(),
    *([value] for value in ("201", "calls", "number", "")),
    *(0, 1, -1, 1_795_380_280_000, 253_402_300_799_999, 10**19, 1.5, True, False, None, [], {}, [[]], "\ud800", "\0"),
    *hostile.CURIOUS.values(),
    *(
        "access",
        "identity",
        "granted",
        "service",
        "customer",
        "all",
        "00000000000000aa" * 9,
        "x" * 60_000,
        ["x"] * 9_000,
    ),
]


async def _sockets(turn: Round, beside: hostile.Beside) -> dict[str, float]:
    """The control socket and the HTTP port: each request is answered or hung up on, and a 999 is kept beside it."""
    agent, draw = beside.desk.agent, turn.draw
    logged = len(agent.log)
    for _ in range(turn.of(60)):
        port = None if draw.random() < 0.6 else agent.http_port
        await _answered(beside, bent(draw, draw.choice(_REQUESTS)), port)
    for _ in range(turn.of(200)):
        path = draw.choice(_PATHS)
        fields = await _taken(beside, path)
        fit = {field: _FITTING.get(field, "sam") for field in fields if draw.random() < 0.95}
        odd = {field: draw.choice(_SAID) for field in fields if draw.random() < 0.2}
        await _answered(beside, _posted(path, fit | odd))
    await beside.desk.call("Dialled", "Ended")
    if agent.get("/readyz")[0] != 200:
        raise BrokenError("the agent is not ready any more")
    if "Traceback" in agent.log[logged:]:
        raise BrokenError(f"the agent's log: {agent.log[logged:][-2_000:]}")
    return {"requests": turn.of(60) + 2 * turn.of(200)}


async def _taken(beside: hostile.Beside, path: str) -> list[str]:
    """The fields that a request may have, as the agent itself tells of one that has another."""
    asked: dict[str, object] = {"": ""}
    while True:
        told = (await _answered(beside, _posted(path, asked))).decode()
        if (missing := _MISSING.search(told)) is None or missing[1] in asked:
            break
        asked[missing[1]] = _FITTING.get(missing[1], "sam")
    found = _FIELDS.search(told)
    return found[1].split(", ") if found else list(asked)


def _posted(path: str, asked: dict[str, object]) -> bytes:
    content = json.dumps(asked).encode()
    return b"POST %s HTTP/1.1\r\nHost: agent\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (
        path.encode(),
        len(content),
        content,
    )


async def _answered(beside: hostile.Beside, request: bytes, port: int | None = None) -> bytes:
    """What came back, on the control socket or on ``port``."""
    if port is None:
        reader, writer = await asyncio.open_unix_connection(str(unix.beside(beside.desk.agent.store)))
    else:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    async with asyncio.timeout(_PATIENCE_S):
        try:
            writer.write(request)
            if b"\r\nConnection: close\r\n" not in request:
                writer.write_eof()  # It may be half a request.
            answer = await reader.read()
        except ConnectionError:
            answer = b""
        finally:
            writer.close()
    if _FAILED.search(answer):
        raise BrokenError(f"{request[:400]!a} is answered {answer[:300]!a}")
    return answer
