"""What each record class says of its own fields: what they are for, and who may read them."""

from dataclasses import dataclass, fields
from typing import Any, get_type_hints

from agent.core.records.terms import Locked, Readers


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldRule:
    """One stored field: its name, its purpose, who may read it, and whether it is encrypted."""

    name: str
    purpose: str
    readers: Readers
    locked: bool = False


def rules(record: type[Any]) -> tuple[FieldRule, ...]:
    """The fields of a record class, in their order.

    Raises:
        TypeError: one of them does not say what it is for, or the class not who may read it.
    """
    hints = get_type_hints(record, include_extras=True)
    return tuple(_rule(record, item.name, getattr(hints[item.name], "__metadata__", ())) for item in fields(record))


def _rule(record: type[Any], name: str, said: tuple[Any, ...]) -> FieldRule:
    purpose = next((each for each in said if isinstance(each, str)), "")
    if not purpose:
        raise TypeError(f'{record.__name__}.{name} has no purpose: Annotated[..., "what it is for"]')
    own = next((each for each in said if isinstance(each, frozenset)), None)
    readers = getattr(record, "READERS", None) if own is None else own
    if readers is None:
        raise TypeError(
            f"{record.__name__} does not say who may read it: READERS: ClassVar[Readers] = frozenset((Role.…,))"
            " behind its BASIS (agent/core/records/terms.py)"
        )
    return FieldRule(name=name, purpose=purpose, readers=readers, locked=any(isinstance(each, Locked) for each in said))
