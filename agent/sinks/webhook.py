"""A signed POST of one notice as JSON."""

import hashlib
import hmac
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agent.core.instants import rfc3339
from agent.core.records import Alarm, Notice
from agent.ports import Receipt, Text
from agent.sinks.web import Poster

#: Of the body's shape: a field may be added to it, none changes its meaning.
VERSION = 1

_TITLE, _TEXT = 200, 4000


class Webhook:
    """An `agent.ports.Channel`.

    The body is ``{"version": 1, "notice": {"id", "news", "raised_at"}, "alarm": {"id", "cause", "subject", "severity",
    "what", "test", "level", "raised_at", "acknowledged_at", "escalated_at", "cleared_at", "closed_at"}, "title",
    "text"}``, times in RFC 3339 UTC or null. The header ``Telephony-Agent-Signature`` is ``t=<s since 1970>,v1=<hex>``,
    the HMAC-SHA256 of ``<t>.<body>`` under ``secret``; ``Idempotency-Key`` is the notice's id, the same when it is
    repeated. ``clock`` gives ms since 1970.
    """

    def __init__(self, url: str, secret: bytes, clock: Callable[[], int], *, ca_file: Path | None = None) -> None:
        self._poster = Poster(url, ca_file=ca_file)
        self._secret = secret
        self._clock = clock

    async def send(self, text: Text, alarm: Alarm, notice: Notice) -> Receipt:
        """POST it; 2xx says that it was received. See `agent.ports.Channel`."""
        content = json.dumps(_body(text, alarm, notice), ensure_ascii=True, separators=(",", ":")).encode()
        await self._poster.post(
            content,
            {
                "Telephony-Agent-Signature": signature(content, self._secret, self._clock() // 1000),
                "Idempotency-Key": notice.id,
            },
        )
        return Receipt.DELIVERED


def signature(body: bytes, secret: bytes, at: int) -> str:
    """The header's value for ``body``, signed at ``at`` (s since 1970)."""
    return f"t={at},v1={hmac.new(secret, str(at).encode() + b'.' + body, hashlib.sha256).hexdigest()}"


def _body(text: Text, alarm: Alarm, notice: Notice) -> dict[str, Any]:
    return {
        "version": VERSION,
        "notice": {"id": notice.id, "news": notice.news, "raised_at": rfc3339(notice.raised_at)},
        "alarm": {
            "id": alarm.id,
            "cause": alarm.cause,
            "subject": alarm.subject,
            "severity": alarm.severity,
            "what": alarm.what,
            "test": alarm.test,
            "level": alarm.level,
            "raised_at": rfc3339(alarm.raised_at),
            "acknowledged_at": _instant(alarm.acknowledged_at),
            "escalated_at": _instant(alarm.escalated_at),
            "cleared_at": _instant(alarm.cleared_at),
            "closed_at": _instant(alarm.closed_at),
        },
        "title": text.title[:_TITLE],
        "text": text.body[:_TEXT],
    }


def _instant(at: int | None) -> str | None:
    return None if at is None else rfc3339(at)
