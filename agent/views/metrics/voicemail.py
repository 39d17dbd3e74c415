"""The purges of voicemail in numbers: when the last one was, what went, what stays."""

from collections import OrderedDict
from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client import Counter as Total
from prometheus_client.core import Metric

from agent.core.records import Purge
from agent.views.metrics.families import gauge

#: Purges remembered, so that one written again is not counted again.
_REMEMBERED = 1_000
#: The fields of a purge that count what was deleted.
_DELETED = ("heard", "unheard", "trashed", "leftover")


class Voicemail:
    """Folds committed purges; a short one, of mailboxes that were in use before, says nothing of the whole spool."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._begun: OrderedDict[str, None] = OrderedDict()
        self._done: OrderedDict[str, None] = OrderedDict()
        self._purged_at = 0
        self._whole: Purge | None = None
        self._deleted = Total(
            "telephony_voicemail_deleted",
            "Voicemail messages deleted: heard, unheard, those that their owner had deleted, remains of messages.",
            ["reason"],
            registry=registry,
        )
        # All exist from the first scrape on: an alert on their increase must see the zero before it.
        for reason in _DELETED:
            self._deleted.labels(reason)

    def restore(self, purge: Purge) -> None:
        """A purge of an earlier run."""
        if purge.done_at is not None:
            self._purged_at = max(self._purged_at, purge.at)
            _remember(self._done, purge.id)

    def fold(self, purge: Purge) -> None:
        """A purge as it is now: begun, or through."""
        if purge.done_at is None:
            _remember(self._begun, purge.id)
            return
        if purge.id in self._done:
            return
        self.restore(purge)
        for reason in _DELETED:
            self._deleted.labels(reason).inc(getattr(purge, reason))
        known = 0 if self._whole is None else self._whole.mailboxes
        if purge.id in self._begun or purge.mailboxes >= known:
            self._whole = purge

    def series(self, every_s: float) -> Iterator[Metric]:
        """What is made at the scrape, where voicemail is purged ``every_s``."""
        text = "When the last purge of voicemail began that came to its end; 0: none on record."
        yield gauge("telephony_voicemail_purge_timestamp_seconds", text, [], [((), self._purged_at / 1000)])
        text = "How often voicemail is purged."
        yield gauge("telephony_voicemail_purge_interval_seconds", text, [], [((), every_s)])
        whole = self._whole
        for name, text in (
            ("kept", "Voicemail messages that may stay, after the last purge of this run."),
            ("due", "Voicemail messages that go within the time of the warning, after the last purge of this run."),
            ("failed", "Voicemail messages or mailboxes that the last purge of this run could not purge."),
        ):
            rows = [] if whole is None else [((), float(getattr(whole, name)))]
            yield gauge(f"telephony_voicemail_{name}", text, [], rows)


def _remember(ids: OrderedDict[str, None], id: str) -> None:
    ids[id] = None
    if len(ids) > _REMEMBERED:
        ids.popitem(last=False)
