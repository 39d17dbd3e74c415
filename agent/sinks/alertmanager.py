"""Alarms as alerts of an Alertmanager (API version 2)."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agent.core.instants import rfc3339
from agent.core.records import Alarm, Cause, Notice
from agent.ports import Receipt, Text
from agent.sinks.web import Poster

_TITLE, _TEXT = 200, 4000


class Alertmanager:
    """An `agent.ports.Reminded` channel.

    Labels: ``alertname`` (``TelephonyEmergency`` …), ``severity``, ``cause``, ``alarm`` (its id, so that no emergency
    is taken for another) and ``test``; never a number, a name or an address. Annotations: ``summary``, the kind of
    alarm; with ``details`` what the other channels are told. An open alert has no ``endsAt``: Alertmanager's own
    resolve_timeout holds, and the alarm is told again every ``every_s``.
    """

    def __init__(self, url: str, *, every_s: float, details: bool = False, ca_file: Path | None = None) -> None:
        self.every_s = every_s
        self._poster = Poster(f"{url.rstrip('/')}/api/v2/alerts", ca_file=ca_file)
        self._details = details

    async def send(self, text: Text, alarm: Alarm, notice: Notice) -> Receipt:  # noqa: ARG002
        """Tell how the alarm stands now; 2xx says that Alertmanager knows it. See `agent.ports.Channel`."""
        await self.remind([(text, alarm)])
        return Receipt.DELIVERED

    async def remind(self, alarms: Sequence[tuple[Text, Alarm]]) -> None:
        """Tell how each stands; see `agent.ports.Reminded`."""
        alerts = [self._alert(text, alarm) for text, alarm in alarms]
        await self._poster.post(json.dumps(alerts, ensure_ascii=True).encode())

    def _alert(self, text: Text, alarm: Alarm) -> dict[str, Any]:
        annotations = {"summary": alarm.what or f"{alarm.cause} alarm"}
        if self._details:
            annotations = {"summary": text.title[:_TITLE], "description": text.body[:_TEXT]}
        alert: dict[str, Any] = {
            "labels": {
                "alertname": f"Telephony{alarm.cause.title()}",
                "severity": alarm.severity,
                "cause": alarm.cause,
                "alarm": alarm.id,
                "test": "true" if alarm.test else "false",
            },
            "annotations": annotations | {"level": str(alarm.level)},
            "startsAt": rfc3339(alarm.raised_at),
        }
        if (ended_at := _ended_at(alarm)) is not None:
            # Alertmanager takes nothing that ends before it starts.
            alert["endsAt"] = rfc3339(max(ended_at, alarm.raised_at + 1))
        return alert


def _ended_at(alarm: Alarm) -> int | None:
    """When nobody has to look at it any more: an emergency that is over still waits for somebody to see it."""
    if alarm.cleared_at is None or (alarm.cause is Cause.EMERGENCY and alarm.acknowledged_at is None):
        return alarm.closed_at
    return max(alarm.cleared_at, alarm.acknowledged_at or 0)
