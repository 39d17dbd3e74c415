"""The inventory and the notice: every class, every field, and whatever words stand in them."""

import re
from dataclasses import fields
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.inventory import (
    TOLD,
    Document,
    Terms,
    activities,
    as_document,
    as_json,
    html,
    markdown,
    notice,
    spoken,
    text,
)
from agent.core.inventory.rendering import Grid, Heading, Items, Paragraph
from agent.core.inventory.words import RECORDED, VOICEMAIL
from agent.core.records import RECORDS, ContentClass, RetentionClass

TERMS = Terms(
    days={kind: 400 + n for n, kind in enumerate(RetentionClass)},
    detail_minutes=45,
    content_days={kind: 40 + n for n, kind in enumerate(ContentClass)},
    voicemail=(14, 31, 2),
)


def rows(document: Document) -> dict[str, tuple[str, ...]]:
    (grid,) = (part for part in document.parts if isinstance(part, Grid))
    return {row[0]: tuple(row[1:]) for row in grid.rows}


@pytest.mark.parametrize("kind", RetentionClass)
def test_the_notice_names_every_class_and_its_term(kind: RetentionClass) -> None:
    assert kind in TOLD, f"agent/core/inventory/words.py says nothing to customers of the class {kind!r}"
    what, why, term = rows(notice(TERMS, "Example"))[TOLD[kind].title]
    assert what
    assert why
    expected = "45 minutes" if kind is RetentionClass.DETAIL else f"{TERMS.days[kind]} days"
    assert term == f"{expected} after {TOLD[kind].after}"


def test_the_notice_names_sound_and_voicemail_and_says_no_title_twice() -> None:
    found = rows(notice(TERMS, "Example"))
    for kind in ContentClass:
        assert found[RECORDED[kind].title][-1].startswith(f"{TERMS.content_days[kind]} days")
    assert [found[told.title][-1].split(" after ")[0] for told in VOICEMAIL] == ["14 days", "31 days", "2 days"]
    assert len(found) == len(TOLD) + len(RECORDED) + len(VOICEMAIL)


def test_voicemail_that_is_never_deleted_is_promised_nothing() -> None:
    kept = Terms(days=TERMS.days, detail_minutes=60, content_days=TERMS.content_days)
    assert not [title for title in rows(notice(kept, "Example")) if "oicemail" in title]
    assert "voicemail" not in [each.name for each in activities(kept)]


def test_the_inventory_has_every_field_of_every_record() -> None:
    found = {each["name"]: each for each in as_json(activities(TERMS), "Example")["activities"]}
    for record in RECORDS:
        told = found[record.KIND]
        assert [field["name"] for field in told["fields"]] == [item.name for item in fields(record)]
        assert all(field["purpose"] for field in told["fields"])
        assert told["basis"] == record.BASIS
        assert told["readers"]
        assert told["terms"]
    hidden = [field for field in found["emergency"]["fields"] if not field["readers"]]
    assert [field["name"] for field in hidden] == ["links"]


def test_a_record_of_two_classes_has_two_terms() -> None:
    (call,) = (each for each in activities(TERMS) if each.name == "call")
    assert [term for _, term, _ in call.terms] == [
        f"{TERMS.days[kind]} days" for kind in (RetentionClass.CALL, RetentionClass.UNBILLED)
    ]


@pytest.mark.parametrize(
    ("days", "words"),
    {
        1: "1 day",
        30: "30 days",
        364: "364 days",
        365: "1 year",
        366: "1 year",
        367: "367 days",
        730: "2 years",
        2192: "6 years",
        2193: "2193 days",
        3653: "10 years",
    }.items(),
)
def test_terms_in_words(days: int, words: str) -> None:
    assert spoken(days) == words


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.words = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert not [name for name, _ in attrs if name in ("src", "href", "onload")]

    def handle_data(self, data: str) -> None:
        self.words += data


WORDS = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), min_size=1)


@given(WORDS)
def test_no_words_can_become_markup(words: str) -> None:
    document = Document(
        title=words, parts=(Heading(words), Paragraph(words), Items([words]), Grid((words, words), [(words, words)]))
    )
    page = Tags()
    page.feed(html(document))
    plain = "html head meta title style body h1 h2 p ul li table tr th th tr td td".split()
    assert page.tags == plain
    assert page.words.count(words) >= 8
    # a pipe of theirs would end a cell, a bracket or "<" begin a link or a tag
    for line in markdown(document).splitlines():
        assert not re.search(r"(?<!\\)(?:\\\\)*[<\[]", line)
        if line.startswith("| ") and "---" not in line:
            assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) == 3


def test_each_form_tells_the_whole_notice() -> None:
    document = notice(TERMS, "Example Telecom")
    for written in (markdown(document), html(document), text(document)):
        assert "Example Telecom" in written
        joined = " ".join(written.split())
        for told in TOLD.values():
            assert told.title in joined
        assert f"45 minutes after {TOLD[RetentionClass.DETAIL].after}" in joined
    assert max(map(len, text(document).splitlines())) <= 100


def test_the_inventory_says_what_is_encrypted() -> None:
    (call,) = (each for each in as_json(activities(TERMS), "Example")["activities"] if each["name"] == "call")
    assert {field["name"] for field in call["fields"] if field["encrypted"]} >= {"number", "forwarded"}
    assert re.search(r"\| number \|[^\n]*\| yes \|", markdown(as_document(activities(TERMS), "Example")))


def test_the_inventory_says_where_nobody_may_read() -> None:
    written = markdown(as_document(activities(TERMS), "Example"))
    assert re.search(r"\| links \|[^|]*\| nobody", written)
