"""Deleted voicemail, counted."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from agent.core.records.terms import ID, Readers, RetentionClass, Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Purge:
    """One purge of the voicemail spool; counts alone, nobody in it (P15)."""

    KIND: ClassVar[str] = "purge"
    RETENTION: ClassVar[RetentionClass] = RetentionClass.OPERATIONS
    BASIS: ClassVar[str] = "accountability: show that voicemails are regularly deleted"
    READERS: ClassVar[Readers] = frozenset((Role.ENGINEER, Role.OFFICER))

    id: Annotated[str, ID]
    at: Annotated[int, "when it began"]
    done_at: Annotated[int | None, "when it was through; none if it was interrupted"] = None
    mailboxes: Annotated[int, "how many mailboxes were looked at"] = 0
    heard: Annotated[int, "heard messages deleted"] = 0
    unheard: Annotated[int, "messages deleted that nobody had heard"] = 0
    trashed: Annotated[int, "messages deleted for good that their owner had deleted"] = 0
    leftover: Annotated[int, "parts of messages deleted that an interruption had left"] = 0
    kept: Annotated[int, "messages that may stay"] = 0
    due: Annotated[int, "messages that go within the time of the warning"] = 0
    failed: Annotated[int, "messages that should have gone and could not be deleted"] = 0
