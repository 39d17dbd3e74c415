"""A short document of paragraphs, lists and tables: as Markdown, as a page that loads nothing, or as plain text."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from textwrap import wrap

_WIDTH = 100
_STYLE = (
    "body{font:16px/1.5 sans-serif;max-width:60em;margin:2em auto;padding:0 1em}"
    "table{border-collapse:collapse;width:100%}th,td{border:1px solid #999;padding:.3em .5em;text-align:left;"
    "vertical-align:top}"
)
_MARKED = str.maketrans({character: f"\\{character}" for character in "\\`*[]<>|#"})


@dataclass(frozen=True, slots=True)
class Heading:
    """The head of a part."""

    text: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph."""

    text: str


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    items: Sequence[str]


@dataclass(frozen=True, slots=True)
class Grid:
    """A table; every row has a cell for each column."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Document:
    """A title, and what follows it."""

    title: str
    parts: Sequence[Heading | Paragraph | Items | Grid]


def markdown(document: Document) -> str:
    """``document`` as Markdown, whatever its words hold."""

    def part(part: Heading | Paragraph | Items | Grid) -> str:
        match part:
            case Heading():
                return f"## {_marked(part.text)}"
            case Paragraph():
                return _marked(part.text)
            case Items():
                return "\n".join(f"- {_marked(item)}" for item in part.items)
            case Grid():
                head, *rows = [" | ".join(map(_marked, row)) for row in (part.columns, *part.rows)]
                return "\n".join(f"| {row} |" for row in (head, " | ".join("---" for _ in part.columns), *rows))

    return "\n\n".join([f"# {_marked(document.title)}", *map(part, document.parts)]) + "\n"


def _marked(text: str) -> str:
    return text.translate(_MARKED)


def html(document: Document) -> str:
    """``document`` as one page of HTML 5, which loads nothing."""

    def part(part: Heading | Paragraph | Items | Grid) -> str:
        match part:
            case Heading():
                return f"<h2>{escape(part.text)}</h2>"
            case Paragraph():
                return f"<p>{escape(part.text)}</p>"
            case Items():
                return "<ul>\n" + "\n".join(f"<li>{escape(item)}</li>" for item in part.items) + "\n</ul>"
            case Grid():
                head = "".join(f"<th>{escape(column)}</th>" for column in part.columns)
                rows = ["".join(f"<td>{escape(cell)}</td>" for cell in row) for row in part.rows]
                return "\n".join(["<table>", *(f"<tr>{row}</tr>" for row in [head, *rows]), "</table>"])

    title = escape(document.title)
    body = "\n".join([f"<h1>{title}</h1>", *map(part, document.parts)])
    head = f'<meta charset="utf-8">\n<title>{title}</title>\n<style>{_STYLE}</style>'
    return f'<!DOCTYPE html>\n<html lang="en-GB">\n<head>\n{head}\n</head>\n<body>\n{body}\n</body>\n</html>\n'


def text(document: Document) -> str:
    """``document`` as plain text of at most 100 columns; a row of a table is a paragraph."""

    def part(part: Heading | Paragraph | Items | Grid) -> str:
        match part:
            case Heading():
                return f"{part.text}\n{'-' * len(part.text)}"
            case Paragraph():
                return "\n".join(wrap(part.text, _WIDTH))
            case Items():
                return "\n".join(
                    "\n".join(wrap(item, _WIDTH, initial_indent="- ", subsequent_indent="  ")) for item in part.items
                )
            case Grid():
                return "\n\n".join("\n".join(_row(part.columns, row)) for row in part.rows)

    def _row(columns: Sequence[str], row: Sequence[str]) -> Iterator[str]:
        first, *rest = zip(columns, row, strict=True)
        yield from wrap(first[1], _WIDTH)
        for column, cell in rest:
            yield from wrap(f"{column}: {cell}", _WIDTH, initial_indent="  ", subsequent_indent="    ")

    return "\n\n".join([f"{document.title}\n{'=' * len(document.title)}", *map(part, document.parts)]) + "\n"
