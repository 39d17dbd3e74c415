"""What a purge did, in counts."""

from dataclasses import asdict, dataclass, fields

from agent.core.records import Purge


@dataclass(slots=True, kw_only=True)
class Counts:
    """See `agent.core.records.Purge`; nobody is in it.

    ``in_use`` are mailboxes put off because somebody may be in them, ``gapped`` folders whose numbers Asterisk itself
    puts in order when they are opened next, ``unlit`` mailboxes whose lamp could not be refreshed, ``unwarned`` those
    whose line could not be sent the warning.
    """

    mailboxes: int = 0
    heard: int = 0
    unheard: int = 0
    trashed: int = 0
    leftover: int = 0
    kept: int = 0
    due: int = 0
    failed: int = 0
    in_use: int = 0
    gapped: int = 0
    unlit: int = 0
    unwarned: int = 0

    @property
    def deleted(self) -> int:
        """How many messages went."""
        return self.heard + self.unheard + self.trashed

    def add(self, other: "Counts") -> None:
        """Count what ``other`` counted as well."""
        for item in fields(self):
            setattr(self, item.name, getattr(self, item.name) + getattr(other, item.name))

    def document(self) -> dict[str, int]:
        """The counts by name."""
        return asdict(self)

    def record(self, id: str, at: int, done_at: int | None) -> Purge:
        """What is kept of it."""
        kept = {name: count for name, count in asdict(self).items() if name in _RECORDED}
        return Purge(id=id, at=at, done_at=done_at, **kept)


_RECORDED = {item.name for item in fields(Purge)} - {"id", "at", "done_at"}
