"""What stands for the name of a line in every other record."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from agent.core.records.terms import ID, Locked, Readers, RetentionClass, Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line for as long as it is somebody's; its ``id`` is the handle that the store keeps in place of its name.

    The name is locked with the handle's own key, as is whatever is personal in the line's records: without that key
    nobody can tell any more whose they were. The store makes it when it first hears of the line.
    """

    KIND: ClassVar[str] = "line"
    RETENTION: ClassVar[RetentionClass] = RetentionClass.CONSENT
    BASIS: ClassVar[str] = "security of processing: names apart from what happened"
    READERS: ClassVar[Readers] = frozenset((Role.OFFICER,))
    OWNER: ClassVar[str] = "id"
    AGED_BY: ClassVar[tuple[str, ...]] = ("until_at",)

    id: Annotated[str, ID]
    name: Annotated[str, "tell whose the records are", Locked(indexed=True)]
    since_at: Annotated[int, "since when it stands for the line"]
    until_at: Annotated[int | None, "until when; none while it does"] = None
