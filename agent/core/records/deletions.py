"""What the purge deleted, counted."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, ClassVar

from agent.core.records.terms import ID, Readers, RetentionClass, Role


class Ground(StrEnum):
    """Why records went, or did not: ``cut`` left a total behind, ``held`` is what a legal hold kept back."""

    EXPIRED = "expired"
    CUT = "cut"
    ERASURE = "erasure"
    HELD = "held"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletion:
    """What one run of the purge did to one kind of record of one class; counts alone, nobody in it (P06, P20)."""

    KIND: ClassVar[str] = "deletion"
    RETENTION: ClassVar[RetentionClass] = RetentionClass.OPERATIONS
    BASIS: ClassVar[str] = "accountability: show that nothing went early and nothing stayed late"
    READERS: ClassVar[Readers] = frozenset((Role.OFFICER, Role.ENGINEER))

    id: Annotated[str, ID]
    at: Annotated[int, "when the run came to it"]
    of: Annotated[str, "the kind of record"]
    retention: Annotated[str, "the class by whose term it goes"]
    ground: Annotated[Ground, "why they went, or were kept"]
    count: Annotated[int, "how many records"]
    oldest_at: Annotated[int, "when the oldest of them had ended"]
    newest_at: Annotated[int, "when the newest of them had ended: show that it was not too soon"]
