"""What a phone of the lab says so that it can be found again wherever Asterisk put it: noise that no other data holds.

Each frame of 20 ms, a packet of RTP, begins with the same mark, by which it is found, and goes on with noise of its
own, by which it is known: so a search is for one mark, and a wave tells which part of the tone it holds.
"""

import contextlib
import io
import os
import random
import stat
import sys
import wave
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

RATE = 8000
FRAME = 160
FRAMES = 3000
# how much further on in the tone each next Say of a call begins
NEXT_S = 10
_MARK = 16
_NOISE = random.Random("the tone of the lab")
# quiet enough to be added to what others say without being cut off
_LOUDEST = 8000
# what is lost or late on the way through Asterisk is less
_JITTER_S = 0.3
_PIECE = 1 << 24


def _linear(code: int) -> int:
    """The sample that an octet of G.711 A-law stands for, in 16 bits."""
    code ^= 0x55
    exponent, mantissa = code >> 4 & 7, code & 15
    size = (mantissa << 4) + 8 if exponent == 0 else ((mantissa << 4) + 0x108) << exponent - 1
    return size if code & 0x80 else -size


def _a_law(sample: int) -> int:
    """The octet of A-law for a sample."""
    size = min(abs(sample), 32767)
    exponent = max(size.bit_length() - 8, 0)
    mantissa = size >> max(exponent + 3, 4) & 15
    return ((0x80 if sample >= 0 else 0) | exponent << 4 | mantissa) ^ 0x55


def _mu_law(sample: int) -> int:
    """The octet of mu-law for a sample."""
    size = min(abs(sample), 32635) + 132
    exponent = size.bit_length() - 8
    return ~((0x80 if sample < 0 else 0) | exponent << 4 | (size >> exponent + 3 & 15)) & 0xFF


def _samples(values: Iterable[int]) -> bytes:
    return b"".join(value.to_bytes(2, "little", signed=True) for value in values)


SILENCE = b"\xd5"
# 500 Hz, as the lab's phones speak otherwise
SPEECH = b"\xa5" * 8 + b"\x25" * 8
_SPEECH = [_linear(code) for code in SPEECH]
# what the other side of the call may add to the tone: nothing, A-law's two silences, or that speech at any moment
_ADDED = [[0] * 16, [8] * 16, [-8] * 16, *(_SPEECH[turn:] + _SPEECH[:turn] for turn in range(16))]


def _plain(code: int) -> bool:
    """Whether an octet comes out the same for each side of a rounding, which Asterisk's tables do in their own way."""
    mixed = [_linear(code) + added for added in {0, *_SPEECH}]
    return abs(_linear(code)) <= _LOUDEST and all(
        law(sample - 9) == law(sample) == law(sample + 9) for sample in mixed for law in (_a_law, _mu_law)
    )


_CODES = [code for code in range(256) if _plain(code)]
_HEAD = bytes(_NOISE.choices(_CODES, k=_MARK))
_TONE = [_HEAD + bytes(_NOISE.choices(_CODES, k=FRAME - _MARK)) for _ in range(FRAMES)]
_LINEAR = [_linear(code) for code in range(256)]


def _mixed(codes: bytes) -> list[list[int]]:
    linear = [_LINEAR[code] for code in codes]
    return [[sample + added[index % 16] for index, sample in enumerate(linear)] for added in _ADDED]


# in 16 bits, as which samples are mixed and waves are written
_WAVE_MARKS = [_samples(mixed) for mixed in _mixed(_HEAD)]
_MARKS = {*_WAVE_MARKS, *(bytes(map(law, mixed)) for mixed in _mixed(_HEAD) for law in (_a_law, _mu_law))}
#: The files that SIPp reads it from, by turn.
FILES = tuple(f"tone-{turn}.alaw" for turn in range(FRAMES * FRAME // RATE // NEXT_S))
# the frame's number by the samples behind its mark
_NUMBER = {tuple(_LINEAR[code] for code in frame[_MARK : 2 * _MARK]): number for number, frame in enumerate(_TONE)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A part of a wave that holds the tone without a break; all in seconds.

    `at_s` is where it begins in the wave, `said_s` where the tone was then, counted from its own beginning.
    """

    at_s: float
    said_s: float
    seconds: float

    @property
    def end_s(self) -> float:
        """Where it ends in the wave."""
        return self.at_s + self.seconds

    @property
    def said_until_s(self) -> float:
        """Where the tone was then."""
        return self.said_s + self.seconds


def said(turn: int = 0) -> bytes:
    """The tone as a phone says it: a minute of raw A-law, to be said again and again.

    The first time in a call (`turn` 0) it begins at 0 s, the next time at 10 s, and so on up to the sixth.
    """
    first = turn * NEXT_S * RATE // FRAME
    return b"".join(_TONE[first:] + _TONE[:first])


def heard(wave_file: bytes) -> list[Heard]:
    """The parts of a RIFF wave (8 kHz, 16 bits, mono) that hold the tone.

    A pause of the recording that captured nothing is a jump of `said_s` from one part to the next; one that captured
    silence is a jump of both.  Where two phones say the tone at once, it is in neither's form and is not heard.
    Raises wave.Error when it is no wave.
    """
    with wave.open(io.BytesIO(wave_file)) as reader:
        assert (reader.getframerate(), reader.getsampwidth(), reader.getnchannels()) == (RATE, 2, 1)
        data = reader.readframes(reader.getnframes())
    parts: list[Heard] = []
    for at, number in sorted(_frames(data)):
        part = Heard(at_s=at / RATE, said_s=number * FRAME / RATE, seconds=FRAME / RATE)
        if parts and _goes_on(parts[-1], part):
            parts[-1] = replace(parts[-1], seconds=part.end_s - parts[-1].at_s)
        else:
            parts.append(part)
    return parts


def heard_s(wave_file: bytes) -> float:
    """How many seconds of the tone a wave holds."""
    return sum(part.seconds for part in heard(wave_file))


def _frames(data: bytes) -> Iterator[tuple[int, int]]:
    """The sample at which each whole frame of the tone begins, and the frame's number."""
    for added, mark in zip(_ADDED, _WAVE_MARKS, strict=True):
        for at in _places(data, mark):
            known = array("h", data[at + 2 * _MARK : at + 4 * _MARK])
            if sys.byteorder == "big":
                known.byteswap()
            number = _NUMBER.get(tuple(sample - more for sample, more in zip(known, added, strict=False)))
            if at % 2 == 0 and number is not None:
                yield at // 2, number


def _places(data: bytes, wanted: bytes) -> Iterator[int]:
    at = data.find(wanted)
    while at >= 0:
        yield at
        at = data.find(wanted, at + 1)


def _goes_on(before: Heard, after: Heard) -> bool:
    minute = FRAMES * FRAME / RATE
    slip = (after.said_s - before.said_s) - (after.at_s - before.at_s)
    return after.at_s - before.end_s < _JITTER_S and abs((slip + minute / 2) % minute - minute / 2) < _JITTER_S


def found_in(folder: Path, *, except_: Iterable[Path] = ()) -> list[Path]:
    """The files of `folder` and of all below it that hold any whole frame (20 ms) of the tone, however encoded.

    Not those in the folders, or at the paths, `except_`; nor those that SIPp reads the tone from.
    """
    spared = {path.resolve() for path in except_}
    found: list[Path] = []
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if Path(parent, name).resolve() not in spared]
        for name in names:
            path = Path(parent, name)
            if name not in FILES and path.resolve() not in spared and not path.is_symlink() and _holds(path):
                found.append(path)
    return sorted(found)


def found_open(pid: int) -> list[str]:
    """The files that a process holds open though they are deleted, and that hold the tone: the names they had."""
    found: list[str] = []
    for descriptor in Path("/proc", str(pid), "fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            name = os.readlink(descriptor)
            if name.endswith(" (deleted)") and _holds(descriptor):
                found.append(name)
    return sorted(found)


def _holds(path: Path) -> bool:
    """Whether a regular file holds the mark, in whichever form; one that has gone meanwhile does not."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return False
        with path.open("rb") as file:
            kept = b""
            while piece := file.read(_PIECE):
                data = kept + piece
                if any(mark in data for mark in _MARKS):
                    return True
                kept = data[-2 * _MARK :]
    except FileNotFoundError:
        return False
    return False


def prompt_tone(number: int) -> bytes:
    """Half a second of a square wave in A-law: 200 Hz, 400 Hz … for 1, 2 …, so that prompts differ."""
    half = RATE // (400 * number)
    return ((b"\xa5" * half + b"\x25" * half) * RATE)[: RATE // 2]
