"""The way of the next 999 call in numbers: what each context would do with it, and when that was last proven."""

from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import Metric

from agent.core.records import Path, Probe, Verdict
from agent.views.metrics.families import gauge

#: Contexts shown by name at the most: a dialplan may have thousands, and break in all at once.
MOST_CONTEXTS = 50


class Paths:
    """Keeps committed paths and the last probe; of 20,000 paths mostly none is worth a look at the scrape."""

    def __init__(self) -> None:
        self._verdicts: dict[str, Verdict] = {}
        self._found: Counter[Verdict] = Counter()
        self._wrong: dict[str, Path] = {}
        self._probed_at: int | None = None

    def path(self, path: Path) -> None:
        """A path as it is now."""
        if (before := self._verdicts.pop(path.id, None)) is not None:
            self._found[before] -= 1
        self._wrong.pop(path.id, None)
        if path.gone_at is not None:
            return
        self._verdicts[path.id] = path.verdict
        self._found[path.verdict] += 1
        if path.verdict is not Verdict.OURS:
            self._wrong[path.id] = path

    def probe(self, probe: Probe) -> None:
        """A probe came all the way through Asterisk into the store."""
        self._probed_at = max(probe.at, self._probed_at or 0)

    def series(self) -> Iterator[Metric]:
        """What is made at the scrape."""
        rows = [((verdict,), self._found[verdict]) for verdict in Verdict]
        text = "Emergency numbers in the contexts of phones, by what the dialplan would do with them."
        yield gauge("telephony_paths", text, ["verdict"], rows)
        since: dict[tuple[str, str], int] = {}
        for path in self._wrong.values():
            key = (path.context, path.verdict)
            since[key] = min(since.get(key, path.since_at), path.since_at)
        worst = sorted(since, key=lambda key: (key[1] != Verdict.BROKEN, key))[:MOST_CONTEXTS]
        yield gauge(
            "telephony_path_since_timestamp_seconds",
            f"Since when a context has been broken, weak or unseen for some emergency number; at most {MOST_CONTEXTS}.",
            ["context", "verdict"],
            [(key, since[key] / 1000) for key in sorted(worst)],
        )
        yield gauge(
            "telephony_probe_timestamp_seconds",
            "When the last probe came through Asterisk into the store; 0: none did in this run.",
            [],
            [((), (self._probed_at or 0) / 1000)],
        )
