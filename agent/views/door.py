"""The door for Asterisk: its AGI script (dialplan/agi/recording.py) asks here whether a call may be recorded, or go on.

One line of JSON each way: ``{"trigger", "channel", "uniqueid", "linkedid", "line", "calls"}`` is answered by
``{"id": …}``, under which the call may be recorded, or by ``{"why": …}``, one word.
"""

import asyncio
import grp
import json
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Literal

import structlog
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.core.normalise.identity import Linker, line_of
from agent.core.recording import Tape
from agent.core.records import Calls, RecordingState, Trigger
from agent.core.signals import Wish
from agent.core.tapes import Why
from agent.views import unix

log = structlog.get_logger()

MOST_BYTES = 4096
QUESTION_S = 2.0
RETRY_S = 5.0
#: More at once are told to come again: each is a call that waits.
MOST_ASKING = 64

_RESUME = "resume"
_PRESSES = ("button", "code", _RESUME)
_Word = Annotated[str, Field(max_length=256)]


class _Question(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    trigger: Literal["button", "code", "service", "pa", "customer_service", "resume"]
    channel: _Word
    uniqueid: Annotated[str, Field(min_length=1, max_length=256)]
    linkedid: _Word = ""
    line: Annotated[str, Field(pattern="^[!-~]{0,80}$")] = ""
    calls: Literal["incoming", "outgoing", ""] = ""


class Door:
    """``grant`` decides; ``clock`` gives ms. What is asked lives in memory for the length of the question.

    ``is_phone`` tells whether a line is a registered phone: nobody else's press is an opt-in. ``find`` gives the latest
    recording of a channel, and ``possible`` why nothing can be kept safe now, for what is to go on after a pause.
    """

    def __init__(
        self,
        *,
        grant: Callable[[Wish], Awaitable[str | Why]],
        possible: Callable[[], Awaitable[Why | None]],
        find: Callable[[str], Tape | None],
        is_phone: Callable[[str], bool],
        link: Linker,
        clock: Callable[[], int],
    ) -> None:
        self._grant = grant
        self._possible = possible
        self._find = find
        self._is_phone = is_phone
        self._link = link
        self._clock = clock
        self._asking = 0
        #: Questions that nobody could make sense of.
        self.odd = 0
        #: Whether Asterisk can ask.
        self.open = False

    async def serve(self, path: Path, group: str | None) -> None:
        """Answer on the Unix socket ``path``, which the agent's user and ``group`` may use, until cancelled."""
        while True:
            try:
                listening = _listening(path, group)
            except (OSError, KeyError) as error:
                # An edge fails alone: without it nothing is recorded, and everything else goes on.
                reason = error.strerror if isinstance(error, OSError) else f"no group {group}"
                log.error("recording_door_refused", reason=reason, hint="look at [recording] socket and socket_group")
                await asyncio.sleep(RETRY_S)
                continue
            log.info("recording_door")
            server = await asyncio.start_unix_server(self._answer, sock=listening, limit=MOST_BYTES)
            self.open = True
            try:
                async with server:
                    await server.serve_forever()
            finally:
                self.open = False
                unix.remove(path)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(QUESTION_S):
                line = await reader.readuntil(b"\n")
            # Who connects and asks nothing takes nobody's place.
            answer = await self._answered(line) if self._asking < MOST_ASKING else {"why": "busy"}
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        except (TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            self.odd += 1
        except asyncio.CancelledError:
            # The agent stops; nobody waits for this task, and the call goes on without an answer.
            log.info("recording_door_question_dropped")
        finally:
            writer.close()

    async def _answered(self, line: bytes) -> dict[str, str]:
        try:
            question = _Question.model_validate_json(line)
        except ValidationError:
            self.odd += 1
            return {"why": "odd"}
        # A press is of the line whose channel it is; a service names its own.
        whose = line_of(question.channel) if question.trigger in _PRESSES else question.line
        if not whose:
            self.odd += 1
            return {"why": "odd"}
        self._asking += 1
        try:
            answer = await self._decided(question, whose)
        finally:
            self._asking -= 1
        return {"why": answer.value} if isinstance(answer, Why) else {"id": answer}

    async def _decided(self, question: _Question, line: str) -> str | Why:
        if question.trigger in _PRESSES and not self._is_phone(line):
            log.info("recording_refused", why=Why.NOBODY_OPTED_IN.value, trigger=question.trigger)
            return Why.NOBODY_OPTED_IN
        if question.trigger == _RESUME:
            return await self._resumed(self._link(question.uniqueid))
        return await self._grant(self._wish(question, line))

    async def _resumed(self, channel: str) -> str | Why:
        """The id of what is paused on ``channel`` and may go on; or why not."""
        why = await self._possible()
        tape = self._find(channel)
        if tape is None or not tape.opted_in or tape.over:
            why = Why.NOBODY_OPTED_IN
        elif tape.state is RecordingState.RECORDING:
            why = Why.RUNNING
        elif tape.state is not RecordingState.PAUSED:
            why = Why.NOBODY_OPTED_IN
        elif why is None:
            log.info("recording_resumed", id=tape.id)
            return tape.id
        log.info("recording_refused", why=why.value, trigger=_RESUME)
        return why

    def _wish(self, question: _Question, line: str) -> Wish:
        linked = question.linkedid or question.uniqueid
        caller = question.uniqueid == linked
        direction = Calls.OUTGOING if caller else Calls.INCOMING
        return Wish(
            at=self._clock(),
            channel=self._link(question.uniqueid),
            linked=self._link(linked),
            line=line,
            leg="caller" if caller else "callee",
            trigger=Trigger(question.trigger),
            calls=Calls(question.calls) if question.calls else direction,
        )


def _listening(path: Path, group: str | None) -> socket.socket:
    """See `unix.listen`; raises KeyError when there is no such ``group``."""
    listening = unix.listen(path)
    try:
        if group is not None:
            os.chown(path, -1, grp.getgrnam(group).gr_gid)
            os.chmod(path, 0o660)
    except (OSError, KeyError):
        # Left open it would answer nobody, and stand in the way of the next attempt.
        listening.close()
        unix.remove(path)
        raise
    return listening
