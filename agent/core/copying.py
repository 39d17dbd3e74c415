"""The copy of what is kept of a customer that he is given when he asks (UK GDPR article 15): what is in it.

It has every record that a customer may read, of his account and of the time in which a line was his, and of each the
fields that he may read. Whom he talked to is his own history, and in it.

Calls and texts to freephone numbers and helplines, and emergencies, are left out unless it was found that the customer
alone uses the lines. The copy goes to the account's holder, and on a line that several people use a call for help is
another's: whoever called must not be betrayed to whom the call was about (article 15(4); Data Protection Act 2018,
schedule 2, paragraph 16; it is why no bill shows them). Nothing in the copy tells whether there were any.
"""

from dataclasses import fields
from typing import Any

from agent.core.history import calls_for_help
from agent.core.numbering import FREE, Plan
from agent.core.records import (
    RECORDS,
    Call,
    Emergency,
    NumberClass,
    Record,
    Role,
    Text,
    Total,
    document,
    rules,
)

#: The kinds of which a customer may read what is of his lines, and what is of his account.
OF_LINE: tuple[type[Record], ...] = tuple(
    record
    for record in RECORDS
    if Role.CUSTOMER in record.READERS
    and "line" in (names := {item.name for item in fields(record)})
    and "account" not in names
)
OF_ACCOUNT: tuple[type[Record], ...] = tuple(
    record
    for record in RECORDS
    if Role.CUSTOMER in record.READERS and "account" in {item.name for item in fields(record)}
)

_SHOWN = {
    record: tuple(rule.name for rule in rules(record) if Role.CUSTOMER in rule.readers)
    for record in (*OF_LINE, *OF_ACCOUNT)
}
_FOR_HELP = FREE - {NumberClass.INTERNAL}


def columns(kind: type[Record]) -> tuple[str, ...]:
    """The fields of ``kind`` that are in a copy, in order."""
    return _SHOWN[kind]


def copied(record: Record) -> dict[str, Any]:
    """``record`` as it is in a copy: times in RFC 3339 UTC."""
    shown = document(record)
    return {name: shown[name] for name in _SHOWN[type(record)]}


def for_help(record: Record, plan: Plan) -> bool:
    """Whether a record tells that somebody called for help; each number is looked at again."""
    if isinstance(record, Emergency):
        return True
    if isinstance(record, Total):
        return record.number_class in _FOR_HELP
    if not isinstance(record, Call | Text):
        return False
    classes, numbers = {record.number_class}, [record.number]
    if isinstance(record, Call):
        numbers.append(record.forwarded)
        classes |= set() if record.forwarded_class is None else {record.forwarded_class}
    return bool(classes & _FOR_HELP) or any(calls_for_help(plan, number) for number in numbers if number is not None)
