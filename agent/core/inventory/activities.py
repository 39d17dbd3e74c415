"""The inventory of processing activities, one for each kind of record and of file (UK GDPR article 30)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from agent.core.inventory.rendering import Document, Grid, Heading, Items, Paragraph
from agent.core.inventory.terms import Terms, spoken
from agent.core.inventory.words import RECORDED, TOLD, VOICEMAIL, Told
from agent.core.records import RECORDS, FieldRule, Record, Role, retentions, rules

#: Article 30(1)(g), as it is in this agent, whatever its configuration.
SECURITY: tuple[str, ...] = (
    "Nothing is stored, queued or logged before it is cut down to the fields below.",
    "Store, keyring, recordings and sockets are the agent's own user's alone (files 0600, folders 0700).",
    "Fields marked so are encrypted (AES-256-GCM) under two keys, an owner's and a month's, where there is a site key.",
    "Each recording is encrypted under a key of its own (AES-256-GCM), which is destroyed with it.",
    "Whoever uses a recording, or the fuller view of an emergency, is written down first, with the reason.",
    "Each record is deleted when its term is over, and overwritten.",
    "By itself it sends alerts only, and only to the channels that the provider has named.",
)
_CUSTOMER = frozenset((Role.CUSTOMER,))
_NOBODY = "nobody: the agent keeps it for itself"


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """One kind of what is kept; ``terms`` are (of what, how long, from when), ``fields`` are none of files."""

    name: str
    about: str
    basis: str
    subjects: str
    readers: tuple[str, ...]
    terms: tuple[tuple[str, str, str], ...]
    fields: tuple[FieldRule, ...] = ()


def activities(terms: Terms) -> tuple[Activity, ...]:
    """Every kind of record, and the files, as they are kept under ``terms``."""
    return (*(_of_record(record, terms) for record in RECORDS), *_of_files(terms))


def as_json(found: tuple[Activity, ...], controller: str) -> dict[str, Any]:
    """The inventory for programs."""
    return {
        "controller": controller,
        "security": list(SECURITY),
        "activities": [
            {
                "name": each.name,
                "about": each.about,
                "basis": each.basis,
                "subjects": each.subjects,
                "readers": list(each.readers),
                "terms": [{"of": of, "term": term, "after": after} for of, term, after in each.terms],
                "fields": [
                    {
                        "name": rule.name,
                        "purpose": rule.purpose,
                        "readers": _sorted(rule.readers),
                        "encrypted": rule.locked,
                    }
                    for rule in each.fields
                ],
            }
            for each in found
        ],
    }


def as_document(found: tuple[Activity, ...], controller: str) -> Document:
    """The inventory for people."""

    def parts() -> Iterator[Heading | Paragraph | Items | Grid]:
        yield Paragraph(f"Controller: {controller}. Made from the record classes of the telephony agent.")
        yield Heading("Security")
        yield Items(SECURITY)
        for each in found:
            yield Heading(each.name)
            yield Paragraph(each.about)
            yield Items(
                [
                    f"Basis: {each.basis}",
                    f"Whose data: {each.subjects or 'nobody is in it'}",
                    f"Who may read it: {', '.join(each.readers)}",
                    *(_kept(each, *term) for term in each.terms),
                ]
            )
            if each.fields:
                yield Grid(("field", "purpose", "readers", "encrypted"), [_row(rule, each) for rule in each.fields])

    return Document(title="Inventory of what the telephony agent keeps", parts=tuple(parts()))


def _kept(activity: Activity, of: str, term: str, after: str) -> str:
    return f"Kept: {term} after {after}" + (f" ({of})" if len(activity.terms) > 1 else "")


def _row(rule: FieldRule, activity: Activity) -> tuple[str, str, str, str]:
    readers = tuple(_sorted(rule.readers))
    who = "as above" if readers == activity.readers else ", ".join(readers) or _NOBODY
    return rule.name, rule.purpose, who, "yes" if rule.locked else ""


def _of_record(record: type[Record], terms: Terms) -> Activity:
    classes = retentions(record)
    return Activity(
        name=record.KIND,
        about=" ".join((record.__doc__ or "").split()),
        basis=record.BASIS,
        subjects=TOLD[classes[0]].subjects,
        readers=tuple(_sorted(record.READERS)),
        terms=tuple((TOLD[each].title, terms.of(each), TOLD[each].after) for each in classes),
        fields=rules(record),
    )


def _of_files(terms: Terms) -> Iterator[Activity]:
    for kind, told in RECORDED.items():
        name = f"sound: {kind.value.replace('_', ' ')}"
        yield _files(name, told, "consent", [(told, terms.content_days[kind])])
    if terms.voicemail is not None:
        yield _files("voicemail", VOICEMAIL[0], "contract", zip(VOICEMAIL, terms.voicemail, strict=True))


def _files(name: str, told: Told, basis: str, days: Iterable[tuple[Told, int]]) -> Activity:
    return Activity(
        name=name,
        about=f"{told.what[0].upper()}{told.what[1:]}.",
        basis=basis,
        subjects=told.subjects,
        readers=tuple(_sorted(_CUSTOMER)),
        terms=tuple((each.title, spoken(number), each.after) for each, number in days),
    )


def _sorted(readers: frozenset[Role]) -> list[str]:
    return [role.value for role in Role if role in readers]
