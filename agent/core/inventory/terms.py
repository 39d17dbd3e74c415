"""How long each kind of data is kept, as configured, and as people say it."""

from collections.abc import Mapping
from dataclasses import dataclass

from agent.core.records import ContentClass, RetentionClass


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The terms of one configuration, in days but for ``detail_minutes``.

    ``voicemail`` (heard, unheard, deleted) is None where none is deleted.
    """

    days: Mapping[RetentionClass, int]
    detail_minutes: int
    content_days: Mapping[ContentClass, int]
    voicemail: tuple[int, int, int] | None = None

    def of(self, kind: RetentionClass) -> str:
        """The term of a class in words."""
        return _counted(self.detail_minutes, "minute") if kind is RetentionClass.DETAIL else spoken(self.days[kind])


def spoken(days: int) -> str:
    """So many days in words: whole years as such, with their leap days or without."""
    years = days // 365
    return _counted(years, "year") if years and days - years * 365 <= (years + 3) // 4 else _counted(days, "day")


def _counted(number: int, unit: str) -> str:
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"
