"""The audit: who used which person's data, one entry a use, written once and chained to the entry before.

A segment is a month (UTC). Its first entry is chained from the root of the segment before, and when the month is over
it leaves a root, chained from the root before. So a segment can be deleted whole when its time is over, and the rest
still proves whole by the roots. The chain holds a commitment in place of the subject and the reason, keyed and salted:
once all three are unreadable, the entry still proves whole, and nobody finds the subject again by trying all there are.

What the chain shows, to whom has the key:

    an entry changed, exchanged, added, or missing before another    yes
    entries of a closed segment missing before their time            yes, its root counts them
    the last entries of the open segment cut off                     only against a head noted elsewhere (`Head`)
    everything made anew by somebody who has the key                 only against a head noted elsewhere
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from agent.core.chain import chained
from agent.core.records import Audit, AuditUse, Record, SegmentRoot

_PERSON = b"audit"
#: What stands for a reason whose key is gone.
ERASED = "erased"


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The last entry of the audit: noted elsewhere, it shows that what was there then is there still."""

    segment: str
    seq: int
    chain: str

    def __str__(self) -> str:
        return f"{self.segment}:{self.seq}:{self.chain}"

    @classmethod
    def parse(cls, text: str) -> "Head":
        """The head that ``text`` (``2026-11:57:0f…``) names.

        Raises:
            ValueError: it names none.
        """
        segment, seq, chain = text.split(":")
        return cls(segment=segment, seq=int(seq), chain=chain)


@dataclass(slots=True)
class Trail:
    """Where the audit has got to; ``key`` is of 64 bytes at the most, ``new_salt`` gives 16 random ones in hex."""

    key: bytes
    new_id: Callable[[], str]
    new_salt: Callable[[], str]
    _segment: str = ""
    _seq: int = 0
    _chain: str = ""
    _root: str = ""

    def note(self, *, at: int, by: str, use: AuditUse, subject: str | None, reason: str) -> list[Audit | SegmentRoot]:
        """The entry of one use, behind the root of the segment before where it begins one."""
        closed = self.close(at)
        # A clock that was set back never goes back to a segment that is closed.
        self._segment = max(self._segment, month(at))
        self._seq += 1
        salt = self.new_salt()
        hidden = committed(self.key, salt, subject, reason)
        self._chain = link(self.key, self._chain, (self._segment, self._seq, at, by, use, hidden))
        entry = Audit(
            id=self.new_id(),
            segment=self._segment,
            seq=self._seq,
            at=at,
            by=by,
            use=use,
            subject=subject,
            salt=salt,
            commitment=hidden,
            reason=reason,
            chain=self._chain,
        )
        return [*closed, entry]

    def close(self, now: int) -> list[SegmentRoot]:
        """The root of the segment whose month is over, if there is one that is open still."""
        if not self._seq or month(now) <= self._segment:
            return []
        chain = link(self.key, self._root, (self._segment, self._seq, self._chain, now))
        root = SegmentRoot(
            id=self.new_id(),
            segment=self._segment,
            entries=self._seq,
            head=self._chain,
            closed_at=now,
            previous=self._root,
            chain=chain,
        )
        self._segment, self._seq, self._chain, self._root = month(now), 0, chain, chain
        return [root]

    def restore(self, records: Iterable[Record]) -> None:
        """Go on from the last entry and the last root of an earlier run."""
        found = list(records)
        for root in (record for record in found if isinstance(record, SegmentRoot)):
            if root.segment >= self._segment:
                self._segment, self._seq = month(root.closed_at), 0
                self._chain = self._root = root.chain
        for entry in (record for record in found if isinstance(record, Audit)):
            if (entry.segment, entry.seq) > (self._segment, self._seq):
                self._segment, self._seq, self._chain = entry.segment, entry.seq, entry.chain


def month(at: int) -> str:
    """The month (UTC) of an instant (ms), as ``2026-11``."""
    return datetime.fromtimestamp(at / 1000, tz=UTC).strftime("%Y-%m")


def committed(key: bytes, salt: str, subject: str | None, reason: str) -> str:
    """What the chain holds in place of ``subject`` and ``reason``."""
    return chained(key, _PERSON, ("subject", salt, subject, reason))


def link(key: bytes, previous: str, parts: Sequence[str | int | None]) -> str:
    """The hash of an entry or root that follows one with the hash ``previous``; of the first, the empty text."""
    return chained(key, _PERSON, (previous, *parts))


def verify(
    roots: Iterable[SegmentRoot],
    entries_of: Callable[[str], Sequence[Audit]],
    *,
    key: bytes,
    current: str | None,
    total: int,
    kept_since: int,
    roots_since: int,
    noted: Head | None = None,
) -> Iterator[str]:
    """What is wrong with the audit, in words; nothing where all of it proves whole.

    ``entries_of`` gives the entries of a segment in their order, ``current`` is the segment of the last one, ``total``
    how many there are. Entries of a segment closed before ``kept_since`` (ms), and roots closed before ``roots_since``,
    may have been deleted. ``noted`` must still be there.
    """
    previous, seen, chains = "", 0, dict[tuple[str, int], str]()
    ordered = sorted(roots, key=lambda root: root.segment)
    for root in ordered:
        if root.previous != previous and (root is not ordered[0] or month(roots_since) < root.segment):
            yield f"a root before {root.segment} is missing"
        if link(key, root.previous, (root.segment, root.entries, root.head, root.closed_at)) != root.chain:
            yield f"the root of {root.segment} was changed"
        entries = entries_of(root.segment)
        seen += len(entries)
        whole = root.closed_at >= kept_since
        yield from _broken(root.segment, entries, root.previous, key, whole=whole)
        if whole or entries:
            last = (entries[-1].seq, entries[-1].chain) if entries else (0, "")
            if last != (root.entries, root.head):
                yield f"the last entries of {root.segment} are missing, or others were added"
        chains.update(((entry.segment, entry.seq), entry.chain) for entry in entries)
        chains[root.segment, root.entries] = root.head
        previous = root.chain
    if current is not None and current not in (root.segment for root in ordered):
        entries = entries_of(current)
        seen += len(entries)
        yield from _broken(current, entries, previous, key, whole=True)
        chains.update(((entry.segment, entry.seq), entry.chain) for entry in entries)
    if seen != total:
        yield f"{total - seen} entries stand in no segment"
    if noted is not None and chains.get((noted.segment, noted.seq)) != noted.chain:
        yield f"entry {noted.seq} of {noted.segment} is not the one that was noted"


def _broken(segment: str, entries: Sequence[Audit], previous: str, key: bytes, *, whole: bool) -> Iterator[str]:
    expected = 1 if whole or not entries else entries[0].seq
    known = expected == 1
    for entry in entries:
        name = f"entry {entry.seq} of {segment}"
        if entry.seq != expected:
            yield f"{name} comes where entry {expected} should"
        else:
            parts = (entry.segment, entry.seq, entry.at, entry.by, entry.use, entry.commitment)
            if known and link(key, previous, parts) != entry.chain:
                yield f"{name} was changed, or the one before it"
            if not _opens(entry, key):
                yield f"the subject or the reason of {name} was changed"
        previous, expected, known = entry.chain, entry.seq + 1, True


def _opens(entry: Audit, key: bytes) -> bool:
    """Whether subject and reason are what was committed to; or all of it is unreadable, and nothing else."""
    if entry.salt is None:
        return entry.subject is None and entry.reason == ERASED
    return committed(key, entry.salt, entry.subject, entry.reason) == entry.commitment
