"""Purges one mailbox, folder by folder, so that Asterisk sees each message whole or not at all.

A message goes with its index: without that Asterisk does not count it, and what is left of it is the next purge's. A
message takes another number the same way: its recordings get a second name first, then the index moves, then the first
names go.

Who listens to a folder has its numbers in memory (`open_mailbox`, 16 and 22): when a message goes or moves meanwhile,
Asterisk may delete another one in the end. It tells nobody who is in which mailbox; but it locks a folder to open it,
and that changes the folder's time. So one that was written to since the first call came in that is now in any mailbox
is left as it is.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from agent.duties.voicemail import files
from agent.duties.voicemail.lock import Lock, Locked
from agent.duties.voicemail.message import FOLDERS, INDEX, Kind, Message, Terms, gaps, left_at, name_of, number_of
from agent.duties.voicemail.report import Counts

#: Asterisk tells how long a call has been up in whole seconds.
_SLACK_MS = 2_000


@dataclass(slots=True, kw_only=True)
class Done:
    """What became of one mailbox; ``going`` are the instants (ms) at which those go that nobody was warned of yet."""

    counts: Counts = field(default_factory=Counts)
    changed: bool = False
    going: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Purger:
    """The purge of one moment.

    ``at`` is its time in ms, ``warned_at`` when it was last warned of what is due. ``lock`` None: a dry run, which
    changes nothing. ``somebody_since`` says since when somebody may be in a mailbox (ms). ``pace`` is called before
    each change of a file; what it raises ends the purge there.
    """

    terms: Terms
    at: int
    warned_at: int
    lock: Lock | None
    somebody_since: Callable[[], int]
    pace: Callable[[], None]

    def purge(self, context: int, name: str, place: str) -> Done:
        """The mailbox ``name`` in the folder ``context``; whatever cannot be used in it costs itself alone."""
        done = Done(counts=Counts(mailboxes=1))
        try:
            with files.opened(name, context) as mailbox:
                for folder, is_folder, is_link in files.names(mailbox):
                    if folder in FOLDERS and (is_folder or is_link):
                        self._folder(mailbox, folder, f"{place}/{name}/{folder}", done)
        except OSError:
            done.counts.failed += 1
        done.counts.in_use = min(done.counts.in_use, 1)
        return done

    def _folder(self, mailbox: int, name: str, place: str, done: Done) -> None:
        kind = FOLDERS[name]
        try:
            with files.opened(name, mailbox) as folder:
                look = _Look.at(folder, self.terms, kind, self.at)
                if self.lock is None or look.right:
                    self._counted(look, kind, done)
                    return
                self.lock.note(place)
                self._locked(self.lock, folder, look, kind, done)
                self.lock.note("")
        except OSError:
            done.counts.failed += 1

    def _locked(self, lock: Lock, folder: int, look: "_Look", kind: Kind, done: Done) -> None:
        touched_at = files.changed_at(folder)
        assert touched_at is not None
        try:
            with lock.folder(folder) as free:
                look = _Look.at(folder, self.terms, kind, self.at)
                if free and touched_at + _SLACK_MS < self.somebody_since():
                    self._changed(folder, look, kind, done)
                    return
        except Locked:
            done.counts.failed += max(1, len(look.goes))
            done.counts.kept += len(look.stays)
            return
        done.counts.in_use += 1
        done.counts.kept += len(look.goes) + len(look.stays)
        done.counts.due += len(look.goes) + len(look.due)

    def _changed(self, folder: int, look: "_Look", kind: Kind, done: Done) -> None:
        """Delete and put in order; the folder is ours alone."""
        gone: Counter[str] = Counter()
        for message in look.goes:
            done.changed = True
            gone["failed" if message.odd or not self._deleted(folder, message) else kind.value] += 1
        for message in look.left:
            gone["leftover" if self._deleted(folder, message) else "failed"] += len(message.parts)
        self._counted(look, kind, done, gone)
        if gaps(look.stays) and not (gone["failed"] == 0 and not look.foreign and self._ordered(folder, look.stays)):
            done.counts.gapped += 1

    def _deleted(self, folder: int, message: Message) -> bool:
        """Whether all of the message is gone."""
        try:
            for name in _names(message):
                self.pace()
                os.unlink(name, dir_fd=folder)
        except OSError:
            return False
        return True

    def _ordered(self, folder: int, stays: list[Message]) -> bool:
        """Whether the messages are numbered 0, 1, 2 … now."""
        try:
            for number, message in enumerate(sorted(stays, key=lambda each: each.number)):
                if message.number != number:
                    self._moved(folder, message, number)
        except OSError:
            return False
        return True

    def _moved(self, folder: int, message: Message, number: int) -> None:
        moves = {part: name_of(number, part.partition(".")[2]) for part in message.parts}
        for old, new in moves.items():
            self.pace()
            os.link(old, new, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
        self.pace()
        os.rename(message.index, name_of(number, INDEX), src_dir_fd=folder, dst_dir_fd=folder)
        for old in moves:
            self.pace()
            os.unlink(old, dir_fd=folder)

    def _counted(self, look: "_Look", kind: Kind, done: Done, gone: Counter[str] | None = None) -> None:
        """Count what went; without ``gone``, what would go."""
        counts = done.counts
        if gone is None:
            gone = Counter({kind.value: sum(not message.odd for message in look.goes)})
            gone["failed"] = len(look.goes) - gone[kind.value]
            gone["leftover"] = sum(len(message.parts) for message in look.left)
        for name, count in gone.items():
            setattr(counts, name, getattr(counts, name) + count)
        counts.failed += look.foreign
        counts.kept += len(look.stays)
        counts.due += len(look.due)
        done.going += [goes_at for goes_at in look.due if self.terms.warn_at(goes_at) > self.warned_at]


@dataclass(slots=True, kw_only=True)
class _Look:
    """What is in a folder: messages that go, that stay and parts without a message; how many are no plain files.

    ``due`` are the instants (ms) at which those go that stay for now.
    """

    goes: list[Message] = field(default_factory=list)
    stays: list[Message] = field(default_factory=list)
    left: list[Message] = field(default_factory=list)
    due: list[int] = field(default_factory=list)
    foreign: int = 0

    @property
    def right(self) -> bool:
        """Whether nothing is to do."""
        return not self.goes and not self.left and not gaps(self.stays)

    @classmethod
    def at(cls, folder: int, terms: Terms, kind: Kind, now: int) -> "_Look":
        """The folder as it is.

        Raises:
            OSError: it cannot be read.
        """
        look = cls()
        for message in _messages(folder):
            if not message.whole:
                if message.odd:
                    look.foreign += 1
                else:
                    look.left.append(message)
                continue
            goes_at = _goes_at(folder, message, terms, kind, now)
            (look.goes if goes_at <= now else look.stays).append(message)
            if goes_at > now >= terms.warn_at(goes_at) and kind is not Kind.TRASHED:
                look.due.append(goes_at)
        return look


def _messages(folder: int) -> list[Message]:
    found: dict[int, Message] = {}
    for name, _, _ in files.names(folder):
        if (part := number_of(name)) is None:
            continue
        message = found.setdefault(part[0], Message(number=part[0]))
        written_at = files.changed_at(folder, name)
        if written_at is None:
            message.odd = True
        elif part[1] == INDEX:
            message.since = written_at
        else:
            message.parts.append(name)
    return list(found.values())


def _goes_at(folder: int, message: Message, terms: Terms, kind: Kind, now: int) -> int:
    """When a message goes: counted from when its index was written into this folder, or it was left, if that was later.

    Asterisk writes the index anew when a message is left, forwarded, saved or deleted, and not when it is renumbered
    (16 and 22). The time of leaving is asked where the file's own time was set back, or into the future.
    """
    assert message.since is not None
    goes_at = terms.goes_at(kind, message.since)
    if message.since <= now < terms.warn_at(goes_at):
        return goes_at
    was_left_at = left_at(files.content(folder, message.index))
    times = [at for at in (message.since, was_left_at) if at is not None and at <= now]
    return terms.goes_at(kind, max(times)) if times else goes_at


def _names(message: Message) -> Iterator[str]:
    if message.whole:
        yield message.index
    yield from message.parts
