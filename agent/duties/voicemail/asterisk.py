"""What the purge asks of Asterisk: is anybody in a mailbox, refresh a lamp, send a line its warning."""

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Protocol

from agent.core.wire import Message
from agent.ports import Reply

#: The applications that hold a mailbox's numbers in memory.
_READING = frozenset(("voicemailmain", "voicemailplaymsg"))
#: For how long nobody is asked again: who calls meanwhile has called later than that.
ASK_EVERY_MS = 10_000
#: How long a mailbox counts as in use after it was last opened, where Asterisk cannot be asked.
QUIET_MS = 3_600_000
#: A name that is one word of AMI and of a SIP address.
_PLAIN = re.compile(r"[A-Za-z0-9_.+*#-]{1,80}")


class Pbx(Protocol):
    """One login to Asterisk. Each call raises ConnectionError or TimeoutError when Asterisk is gone."""

    async def ask(self, action: Mapping[str, str]) -> Reply:
        """One action and its answer."""

    async def ask_list(
        self, action: Mapping[str, str], complete: str, items: frozenset[str]
    ) -> tuple[Reply, list[Message]]:
        """An action answered by events up to ``complete``; those named in ``items``."""


class Asterisk:
    """The Asterisk whose mailboxes are purged; ``pbx`` None: there is no login, so nothing can be asked."""

    def __init__(self, pbx: Pbx | None, clock: Callable[[], int]) -> None:
        self._pbx = pbx
        self._clock = clock
        self._asked_at: int | None = None
        self._since = 0

    async def somebody_since(self) -> int:
        """Since when (ms) somebody may be in a mailbox: whoever is in one called then or later."""
        now = self._clock()
        if self._asked_at is None or now - self._asked_at >= ASK_EVERY_MS:
            self._asked_at = now
            oldest_ms = await self._oldest_ms()
            self._since = now - (QUIET_MS if oldest_ms is None else oldest_ms)
        return self._since

    async def refreshed(self, context: str, mailbox: str) -> bool:
        """Whether Asterisk counts this mailbox's messages anew for the phones that show them (write class ``user``).

        Asterisk up to 17 does so only with ``pollmailboxes=yes`` in voicemail.conf, and says nothing of it.
        """
        if not (_PLAIN.fullmatch(context) and _PLAIN.fullmatch(mailbox)):
            return False
        return await self._done({"Action": "VoicemailRefresh", "Context": context, "Mailbox": mailbox})

    async def warned(self, mailbox: str, going: Sequence[int]) -> bool:
        """Whether the line named like the mailbox is sent a SIP MESSAGE on what goes when (``going``, ms; write class
        ``message``).
        """
        if not _PLAIN.fullmatch(mailbox):
            return False
        action = {
            "Action": "MessageSend",
            "To": f"pjsip:{mailbox}",
            "From": '"Voicemail" <sip:voicemail@localhost>',
            # One AMI line, whatever the text holds.
            "Base64Body": base64.b64encode(warning(going).encode()).decode(),
        }
        return await self._done(action)

    async def _done(self, action: Mapping[str, str]) -> bool:
        if self._pbx is None:
            return False
        try:
            return (await self._pbx.ask(action)).ok
        except (ConnectionError, TimeoutError):
            return False

    async def _oldest_ms(self) -> int | None:
        """For how long somebody has been up at most who listens to voicemail now; 0: nobody does, None: not known."""
        if self._pbx is None:
            return None
        question = {"Action": "CoreShowChannels"}
        try:
            answer, channels = await self._pbx.ask_list(
                question, "CoreShowChannelsComplete", frozenset(("CoreShowChannel",))
            )
        except (ConnectionError, TimeoutError):
            return None
        if not answer.ok:
            return None
        ages = [_age_ms(each.get("Duration")) for each in channels if each.get("Application").lower() in _READING]
        return None if None in ages else max((age for age in ages if age is not None), default=0)


def warning(going: Sequence[int]) -> str:
    """What a line is told of messages that go at these instants (ms), the caller's number not among it."""
    first = datetime.fromtimestamp(min(going) / 1000, tz=UTC).strftime("%d %B %Y").lstrip("0")
    if len(going) == 1:
        return f"1 voicemail message will be deleted on {first} unless you listen to it or save it again."
    return (
        f"{len(going)} voicemail messages will be deleted from {first} on unless you listen to them or save them again."
    )


def _age_ms(duration: str) -> int | None:
    """``HH:MM:SS`` in ms."""
    found = re.fullmatch(r"(\d+):(\d\d):(\d\d)", duration)
    return None if found is None else ((int(found[1]) * 60 + int(found[2])) * 60 + int(found[3])) * 1000
