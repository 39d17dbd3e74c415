"""The customer notice: which types of data are kept, why, and how long."""

from collections.abc import Iterator

from agent.core.inventory.rendering import Document, Grid, Heading, Items, Paragraph
from agent.core.inventory.terms import Terms, spoken
from agent.core.inventory.words import NEVER, RECORDED, TOLD, VOICEMAIL, Told

_COLUMNS = ("What", "Which data", "Why", "How long")


def notice(terms: Terms, provider: str) -> Document:
    """The notice of ``provider``, with the terms of its configuration."""
    return Document(
        title=f"What {provider} keeps of your telephone service",
        parts=(
            Paragraph(
                "This is what our telephone system keeps, why, and for how long. When its time is over it is deleted,"
                " unless the law makes us keep a certain record for longer."
            ),
            Grid(_COLUMNS, tuple(_rows(terms))),
            Heading("What we never keep"),
            Items(NEVER),
            Heading("What you can ask for"),
            Paragraph(
                "You can ask us for a copy of it, and to correct it or delete it; we answer within one month. Where we"
                " have to keep a record all the same, we tell you why and until when. If you are not content with our"
                " answer, you can complain to the Information Commissioner (ico.org.uk)."
            ),
        ),
    )


def _rows(terms: Terms) -> Iterator[tuple[str, str, str, str]]:
    for kind, told in TOLD.items():
        yield _row(told, terms.of(kind))
    for content, told in RECORDED.items():
        yield _row(told, spoken(terms.content_days[content]))
    for told, days in zip(VOICEMAIL, terms.voicemail or (), strict=terms.voicemail is not None):
        yield _row(told, spoken(days))


def _row(told: Told, term: str) -> tuple[str, str, str, str]:
    return told.title, told.what, told.why, f"{term} after {told.after}"
