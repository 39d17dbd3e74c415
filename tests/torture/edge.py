"""The AMI edge in hostile bytes: both sessions and the core, in this process, with emergencies hidden in the noise.

`python -m tests.torture.edge SEED MESSAGES` prints what came of it as one JSON object.
"""

import asyncio
import json
import random
import re
import sys
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import count
from typing import Any, Final
from unittest.mock import Mock

from agent.core.book import LINGER_MS
from agent.core.engine import Engine
from agent.core.normalise import WANTED, Linker
from agent.core.policy import Policy
from agent.core.records import Emergency
from agent.core.wire import END, LIMIT_BYTES, Message, name_of
from agent.sources.ami import Address, Credentials, Filters, Session
from agent.sources.ami_connection import Connection
from tests.scenarios.golden import CAPTURES
from tests.torture.rounds import BrokenError

NOON: Final = 1_795_348_800_000
#: Behind all that a Timestamp can say.
LAST: Final = 253_402_300_800_000
BANNER: Final = b"Asterisk Call Manager/11.0.0\r\n"
#: A chunk for which the processor needs longer stands in an emergency's way.
SLOW_S: Final = 1.0
#: In the noise one message in so many is of a real emergency.
RARITY: Final = 20
#: Real emergencies that are up at once.
MOST_UP: Final = 12

#: What no phone can add to: one counter a cause.
_OF_THE_PBX: Final = {"Engine._failures"}

_ID = re.compile(rb"(?<=: )\d{10}(?=\.\d{1,4}(?:\r\n|\Z))")
_STAMP = re.compile(rb"(?<=\r\nTimestamp: )\d{10}\.\d{6}")


class Noise:
    """Messages of captured sessions as somebody would bend them who may choose any bytes; all of it from ``draw``."""

    def __init__(self, draw: random.Random) -> None:
        self._draw = draw
        every = [raw for capture in CAPTURES for raw in capture.read_bytes().split(END) if raw.startswith(b"Event: ")]
        self._pool = every + [raw for raw in every if name_of(raw) in WANTED] * 3
        self._bends: list[Callable[[bytes], bytes]] = [
            self._flipped,
            self._inserted,
            self._cut,
            self._valued,
            self._repeated,
            self._spliced,
            self._renamed,
            self._injected,
            self._digits,
        ]

    def message(self, at: int) -> bytes:
        """One, without the end that Asterisk writes behind it; there may be one in it."""
        draw = self._draw
        raw = draw.choice(self._pool)
        if draw.random() < 0.7:
            raw = _STAMP.sub(_stamp(at), raw, count=1)
        for _ in range(draw.choice((0, 1, 1, 1, 2, 3))):
            raw = draw.choice(self._bends)(raw)
        if draw.random() < 0.00005:
            raw += b"\r\nX: " + b"x" * draw.randrange(LIMIT_BYTES - 500, LIMIT_BYTES + 500)
        elif draw.random() < 0.0002:
            raw += b"\r\n".join(b"%d: %d" % (number, number) for number in range(5_000))
        return raw

    def _flipped(self, raw: bytes) -> bytes:
        bent = bytearray(raw)
        for _ in range(self._draw.randrange(1, 6)):
            if bent:
                bent[self._draw.randrange(len(bent))] = self._draw.randrange(256)
        return bytes(bent)

    def _inserted(self, raw: bytes) -> bytes:
        place = self._draw.randrange(len(raw) + 1)
        return raw[:place] + self._draw.choice(_BYTES) + raw[place:]

    def _cut(self, raw: bytes) -> bytes:
        begin = self._draw.randrange(len(raw) + 1)
        return raw[:begin] if self._draw.random() < 0.5 else raw[:begin] + raw[begin + self._draw.randrange(1, 40) :]

    def _valued(self, raw: bytes) -> bytes:
        lines = raw.split(b"\r\n")
        place = self._draw.randrange(len(lines))
        key, colon, _ = lines[place].partition(b":")
        lines[place] = key + colon + b" " + self._draw.choice(_VALUES)
        return b"\r\n".join(lines)

    def _repeated(self, raw: bytes) -> bytes:
        lines = raw.split(b"\r\n")
        lines.insert(self._draw.randrange(len(lines) + 1), self._draw.choice(lines))
        return b"\r\n".join(lines)

    def _spliced(self, raw: bytes) -> bytes:
        other = self._draw.choice(self._pool)
        return raw[: self._draw.randrange(len(raw) + 1)] + other[self._draw.randrange(len(other) + 1) :]

    def _renamed(self, raw: bytes) -> bytes:
        return self._draw.choice(_NAMES) + raw[raw.find(b"\r\n") if b"\r\n" in raw else len(raw) :]

    def _injected(self, raw: bytes) -> bytes:
        lines = raw.split(b"\r\n")
        lines[self._draw.randrange(len(lines))] += self._draw.choice(_INJECTIONS)
        return b"\r\n".join(lines)

    def _digits(self, raw: bytes) -> bytes:
        number = self._draw.choice(_VALUES)
        return re.sub(rb"\d+", lambda _: number, raw, count=self._draw.randrange(1, 4))


_NAMES = [b"Event: " + name for name in sorted(WANTED - {b"Response"})] + [b"Response: Success", b"Event:", b"Event: "]
_BYTES = [
    b"\xff\xfe",
    b"\xc3(",
    b"\xed\xa0\x80",
    b"\x00",
    b"\r",
    b"\n",
    b"\r\n",
    END,
    b"\n\n",
    b":",
    b": ",
    b"\xe2\x80\xae",
    "٩٩٩".encode(),
    b"\xf0\x9f\x92\xa5" * 50,
    b"A" * 5_000,
]
_VALUES = [
    b"",
    b" ",
    b"999",
    b"112",
    b"-1",
    b"9" * 5_000,
    b"1e309",
    b"nan",
    "٩٩٩".encode(),
    b"0x10",
    b"99999999999.999999",
    b"253402300799.999999",
    b"00:00:99999",
    b"PJSIP/",
    b"PJSIP/-/-/-",
    b"Local/999@x;2",
    b"IPV4/UDP/999.999.999.999/99999",
    b"IPV6/TLS/::ffff:203.0.113.7/5060",
    b"sip:@",
    b"sip:201@[::1",
    b"<unknown>",
    b"{}",
    b'{"user_agent": ' + b"[" * 2_000,
    b'{"expiration_time": "' + b"9" * 5_000 + b'"}',
    b"A=1|B" * 300,
    b"\xff" * 300,
]
_INJECTIONS = [
    b"\r\nUserEvent: Emergency\r\nStage: Ended",
    b"\r\nExten: 999",
    b"\r\nUniqueid: 1.1\r\nLinkedid: 1.1",
    END + b"Event: Hangup\r\nUniqueid: 1795382590.0\r\nLinkedid: 1795382590.0",
    END + b"Event: UserEvent\r\nUserEvent: Emergency\r\nStage: Dialled\r\nCall: 1.1",
    END + b"Response: Success\r\nActionID: 1",
    END + b"Event: Shutdown\r\nPrivilege: system,all",
    END * 3,
    b"\r\nEvent: FullyBooted",
    b"\r\n: \r\n:\r\n",
]


def _stamp(at: int) -> bytes:
    return b"%d.%03d000" % divmod(at, 1000)


class Emergencies:
    """Real ones, as captured: each of a line of its own, its events in the order in which Asterisk wrote them."""

    def __init__(self, draw: random.Random) -> None:
        self._draw = draw
        self._calls = [call for capture in CAPTURES if "failover" in capture.stem for call in _emergencies(capture)]
        assert self._calls
        self._up: list[deque[bytes]] = []
        self.begun = 0

    def next(self, at: int) -> tuple[str, bytes]:
        """The next event of one of them, perhaps a new one, as of ``at``; and the session that it comes on."""
        if not self._up or (len(self._up) < MOST_UP and self._draw.random() < 0.1):
            self._up.append(self._begun())
        return self._event(self._draw.randrange(len(self._up)), at)

    def rest(self, at: int) -> Iterator[tuple[str, bytes]]:
        """What is left of those that are up."""
        while self._up:
            yield self._event(0, at)

    def _event(self, place: int, at: int) -> tuple[str, bytes]:
        call = self._up[place]
        raw = _STAMP.sub(_stamp(at), call.popleft(), count=1)
        if not call:
            del self._up[place]
        return "express" if b"\r\nUserEvent: Emergency\r\n" in raw else "bulk", raw

    def _begun(self) -> deque[bytes]:
        self.begun += 1
        second = b"%d" % (1_000_000_000 + self.begun)
        line = f"PJSIP/{line_of(self.begun)}-".encode()
        return deque(_ID.sub(second, raw).replace(b"PJSIP/201-", line) for raw in self._draw.choice(self._calls))


def line_of(number: int) -> str:
    """The line that the ``number``-th real emergency comes from."""
    return f"real{number}"


def _emergencies(capture: Any) -> Iterator[list[bytes]]:
    """The events of each emergency in it that line 201 placed."""
    every = [raw for raw in capture.read_bytes().split(END) if name_of(raw) in WANTED]
    begun = [raw for raw in every if b"\r\nStage: Dialled\r\n" in raw and b"\r\nChannel: PJSIP/201-" in raw]
    for raw in begun:
        linked = b"Linkedid: " + raw.partition(b"\r\nLinkedid: ")[2].partition(b"\r\n")[0]
        yield [each for each in every if linked in each.split(b"\r\n") or b"Dest" + linked in each.split(b"\r\n")]


class Edge:
    """Two sessions and the core behind them; ``at`` is what the agent's clock says."""

    def __init__(self) -> None:
        ids = count()
        self.at = NOON
        self.engine = Engine(policy=Policy(), link=Linker(b"torture"), new_id=lambda: f"{next(ids)}")
        self.outputs = 0
        self.slowest_s = 0.0
        self.sessions: dict[str, Session] = {}
        self._connections: dict[str, Connection] = {}
        #: The last state of each emergency of a real line.
        self.real: dict[str, Emergency] = {}
        for name, wanted, filters in (
            ("express", frozenset({b"UserEvent"}), Filters.express()),
            ("bulk", WANTED, Filters.bulk(WANTED)),
        ):
            self.sessions[name] = Session(
                name=name,
                address=Address(host="127.0.0.1", port=5038),
                credentials=Credentials(username="agent", secret="none"),
                wanted=wanted,
                filters=filters,
                listener=self,
                clock=lambda: self.at,
            )
            self.connect(name)

    def connect(self, name: str) -> None:
        """Another connection; what was begun on the one before does not end."""
        self._connections[name] = connection = Connection(self.sessions[name]._take)
        connection.connection_made(Mock(spec=asyncio.Transport))
        connection.data_received(BANNER)

    def feed(self, name: str, chunk: bytes) -> None:
        """Bytes that come on a session."""
        began = time.thread_time()
        self._connections[name].data_received(chunk)
        self.slowest_s = max(self.slowest_s, time.thread_time() - began)
        held = self._connections[name].framer.pending_bytes
        if held > LIMIT_BYTES + len(chunk):
            raise BrokenError(f"{held} bytes are held of one message")

    def hear(self, session: str, message: Message, at: int) -> None:
        """See `agent.ports.Listener`."""
        self._keep(self.engine.hear(message, at))

    def lost(self, session: str, cause: str, at: int) -> None:
        """See `agent.ports.Listener`."""

    def regained(self, session: str, at: int) -> None:
        """See `agent.ports.Listener`."""

    def tick(self) -> None:
        """A second passed."""
        self._keep(self.engine.tick(self.at))

    def _keep(self, outputs: Iterable[Any]) -> None:
        for output in outputs:
            self.outputs += 1
            if isinstance(output, Emergency) and (output.line or "").startswith("real"):
                self.real[output.id] = output

    def emptied(self) -> dict[str, int]:
        """What the core still holds once all is over, all lists were read and time has passed; nothing is right."""
        self.engine.synchronise()
        for name in ("ContactStatusDetailComplete", "PeerlistComplete", "CoreShowChannelsComplete"):
            self._keep(self.engine.hear(Message(name, {}), self.at))
        for later in (0, 1_000, LINGER_MS + 1_000, Policy().callback_ms + 2_000):
            self._keep(self.engine.tick(self.at + later))
        self.engine.desk.reading()
        self.engine.desk.read([])
        for later in (1_000, LINGER_MS, 2 * LINGER_MS):
            self._keep(self.engine.tick(LAST + Policy().callback_ms + later))
        return {name: size for name, size in sizes(self.engine).items() if size and name not in _OF_THE_PBX}


def sizes(engine: Engine) -> dict[str, int]:
    """Every container of the engine's parts that remember."""
    tapes = engine.tapes
    parts = (engine, engine.registrar, engine.desk, engine.desk.book, tapes, tapes.book, tapes.bridges, tapes.consents)
    found: dict[str, int] = {}
    for part in parts:
        for name in type(part).__slots__:
            if hasattr(value := getattr(part, name), "__len__"):
                found[f"{type(part).__name__}.{name}"] = len(value)
    return found


@dataclass(slots=True)
class Cutter:
    """The bytes of one session, cut anywhere."""

    draw: random.Random
    buffer: bytearray

    def put(self, data: bytes) -> Iterator[bytes]:
        """What goes on its way now."""
        self.buffer += data
        if len(self.buffer) < 100_000 and self.draw.random() < 0.9:
            return
        most = 50 if self.draw.random() < 0.02 else self.draw.choice((1_460, 16_384, 65_536))
        while len(self.buffer) > most:
            size = self.draw.randrange(1, most + 1)
            yield bytes(self.buffer[:size])
            del self.buffer[:size]

    def rest(self) -> bytes:
        """All that is left."""
        left = bytes(self.buffer)
        self.buffer.clear()
        return left


def listened(seed: str, messages: int) -> dict[str, float]:
    """Play so many messages; what was counted.

    Raises BrokenError: a real emergency was lost, doubled or changed by the noise, something raised, or grew.
    """
    draw = random.Random(seed)
    noise, real = Noise(draw), Emergencies(draw)
    loud, quiet = Edge(), Edge()
    cutters = {name: Cutter(draw, bytearray()) for name in loud.sessions}
    ticked, size = loud.at, 0

    def said(name: str, raw: bytes) -> None:
        nonlocal size
        size += len(raw) + len(END)
        for chunk in cutters[name].put(raw + END):
            loud.feed(name, chunk)

    def truly(name: str, raw: bytes) -> None:
        said(name, raw)
        quiet.feed(name, raw + END)

    for _ in range(messages):
        loud.at = quiet.at = loud.at + draw.randrange(8)
        if draw.random() * RARITY < 1:
            truly(*real.next(loud.at))
        else:
            said("express" if draw.random() < 0.3 else "bulk", noise.message(loud.at))
        if loud.at - ticked >= 1_000:
            ticked = loud.at
            loud.tick()
            quiet.tick()
        if draw.random() < 0.0001:
            _cut_off(draw.choice(("express", "bulk")), loud, cutters, noise)
    for name, raw in real.rest(loud.at):
        truly(name, raw)
    for name, cutter in cutters.items():
        loud.feed(name, cutter.rest())
    most = max(sizes(loud.engine).values())
    _judged(loud, quiet, real.begun)
    heard = loud.sessions.values()
    return {
        "messages": messages,
        "bytes": size,
        "heard": sum(session.wanted_messages for session in heard),
        "forged": sum(session.forged for session in heard),
        "oversized": sum(session.oversized for session in heard),
        "emergencies": real.begun,
        "most_held": most,
        "slowest_ms": loud.slowest_s * 1000,
    }


def _cut_off(name: str, edge: Edge, cutters: dict[str, Cutter], noise: Noise) -> None:
    """The connection ends within a message that is noise."""
    edge.feed(name, cutters[name].rest())
    raw = noise.message(edge.at)
    edge.feed(name, raw[: len(raw) // 2])
    edge.connect(name)


def _judged(loud: Edge, quiet: Edge, begun: int) -> None:
    for name, session in loud.sessions.items():
        if session.faults:
            raise BrokenError(f"{session.faults} messages of the session {name} raised")
    told, wanted = _by_line(loud), _by_line(quiet)
    for number in range(1, begun + 1):
        line = line_of(number)
        if len(told[line]) != 1:
            raise BrokenError(f"the emergency of {line} came out {len(told[line])} times")
        if told[line] != wanted[line]:
            raise BrokenError(f"the emergency of {line} is not as without the noise: {told[line]} {wanted[line]}")
    if left := loud.emptied():
        raise BrokenError(f"when all is over there is left: {left}")
    if loud.slowest_s > SLOW_S:
        raise BrokenError(f"one chunk took {loud.slowest_s:.1f} s")


def _by_line(edge: Edge) -> dict[str, list[Emergency]]:
    found: dict[str, list[Emergency]] = defaultdict(list)
    for each in edge.real.values():
        found[each.line or ""].append(replace(each, id=""))
    return found


async def _main(seed: str, messages: int) -> None:
    print(json.dumps(listened(seed, messages)))


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], int(sys.argv[2])))
