"""What Asterisk is asked about captures, as far as its rights let the agent."""

from collections.abc import Awaitable, Mapping
from typing import Protocol

import structlog

from agent.core.records import Severity, Trigger
from agent.duties.recording.parts import Books
from agent.ports import Reply

log = structlog.get_logger()

#: The context that says a prompt to a channel (dialplan/recording.conf).
_SPEAKER = "recording-speaker"
_MOST_STOPS = 8

RIGHTS = "rights"
STOP = "StopMixMonitor"


class Action(Protocol):
    """`agent.sources.ami.Session.ask`."""

    def __call__(self, action: Mapping[str, str], timeout_s: float | None = None) -> Awaitable[Reply]: ...


class Actions:
    """Channels go by Asterisk's own names.

    Every method raises ConnectionError or TimeoutError where Asterisk is away, and ValueError for a name with a line
    break.
    """

    def __init__(self, ask: Action, books: Books) -> None:
        self._ask = ask
        self._books = books
        #: What Asterisk refused when it was asked last.
        self.denied: set[str] = set()

    async def file(self, channel: str) -> str | None:
        """What the channel's latest capture writes, as Asterisk calls it; None where it does not say.

        "" is nothing, or a capture of one direction alone, which has no such name.
        """
        answer = await self._asked({"Action": "Getvar", "Channel": channel, "Variable": "MIXMONITOR_FILENAME"})
        return answer.headers.get("Value", "").strip() if answer.ok else None

    async def stopped(self, channel: str) -> bool:
        """Stop all that captures a channel; whether there was anything."""
        for number in range(_MOST_STOPS):
            if not (await self._asked({"Action": STOP, "Channel": channel})).ok:
                return number > 0
        return True

    async def captured(self, channel: str, id: str, options: str) -> bool:
        """Capture a channel as the recording ``id``; False where Asterisk would not."""
        action = {"Action": "MixMonitor", "Channel": channel, "File": f"{id}.wav", "Options": options}
        return (await self._asked({key: value for key, value in action.items() if value})).ok

    async def welcomed(self, channel: str, trigger: Trigger) -> None:
        """Tell a channel that what it has come into is recorded."""
        if "Originate" in self.denied or "," in channel:
            return
        await self._asked(
            {
                "Action": "Originate",
                "Channel": f"Local/party*{trigger.value}@{_SPEAKER}/n",
                "Application": "ChanSpy",
                "Data": f"{channel},qwS",
                "Timeout": "10000",
                "Async": "true",
            }
        )

    async def _asked(self, action: Mapping[str, str]) -> Reply:
        answer = await self._ask(action)
        name, denied = action["Action"], "denied" in answer.message.lower()
        if denied and name not in self.denied:
            self.denied.add(name)
            log.warning("action_denied", action=name, hint="give the agent's user the write classes of the example")
        elif not denied and name in self.denied:
            self.denied.discard(name)
        else:
            return answer
        text = f"Asterisk does not let the agent {', '.join(sorted(self.denied))}: see manager.conf.example"
        # An announcement alone is not worth a night's sleep.
        severity = Severity.CRITICAL if self.denied - {"Originate"} else Severity.WARNING
        self._books.condition(RIGHTS, text if self.denied else None, severity)
        return answer
