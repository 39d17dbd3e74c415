"""Asterisk's configuration files as Asterisk reads them, from the folder or over AMI's GetConfig, without secrets."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from asterisk.config import Config, ParseError

from agent.duties.check.evidence import Section

#: All that is taken from a file; a key that is not here is forgotten at once, `secret` and `password` among them.
KEPT = {
    "manager.conf": re.compile(
        r"read|write|writetimeout|allowmultiplelogin|timestampevents|bindaddr|tlsenable|eventfilter.*"
    ),
    "pjsip.conf": re.compile(r"type|send_contact_status_on_update_registration|ignore_uri_user_options"),
    "features.conf": re.compile(r"record-[a-z-]{1,20}"),
    "voicemail.conf": re.compile(r"pollmailboxes|odbcstorage|odbctable|imapserver"),
    "extensions.conf": re.compile(r"emergency_.{1,100}"),
    "cdr.conf": re.compile(r"enable|unanswered|congestion|batch"),
    "cdr_custom.conf": re.compile(r".{1,200}"),
    "asterisk.conf": re.compile(r"astspooldir"),
}
_MOST_DEPTH = 8
_HEADER = re.compile(r"\[([^\]]*)\](?:\(([^)]*)\))?")
_INCLUDE = re.compile(r"""#(?:try)?include\s*["<]?([^">;]+?)[">]?\s*(?:;.*)?$""")


class _Flat(Config):  # type: ignore[misc]
    """pyst2's reader, given what it fails on already resolved: #include, templates, comment blocks, `\\;`."""

    def load(self) -> None:
        self.raw_lines = list(_resolved(_lines(Path(self.filename), Path(self.filename).parent, _MOST_DEPTH)))


def on_disk(folder: Path, file: str) -> list[Section] | None:
    """The sections of a file in Asterisk's configuration folder; None where it cannot be read.

    Knows ``#include`` and ``#tryinclude`` with wildcards, ``[a](!)``, ``[a](b,c)``, ``[a](+)``, ``;-- --;``. What
    ``#exec`` would print stays unread.
    """
    try:
        read = _Flat(str(folder / file))
    except (OSError, UnicodeDecodeError, ParseError):
        return None
    sections: dict[str, list[tuple[str, str]]] = {}
    for category in read.categories:
        items = ((item.name, item.value.strip()) for item in category.items)
        sections.setdefault(category.name, []).extend(items)
    return [_cut(file, name, items) for name, items in sections.items()]


def of_get_config(file: str, headers: Mapping[str, str]) -> list[Section]:
    """The sections in the answer to ``GetConfig`` (Asterisk resolves includes and templates itself; 16 and 22)."""
    names: dict[str, str] = {}
    items: dict[str, list[tuple[str, str]]] = {}
    for key, value in headers.items():
        kind, _, number = key.partition("-")
        if kind == "Category":
            names[number] = value
            items[number] = []
        elif kind == "Line":
            name, _, setting = value.partition("=")
            items.setdefault(number.partition("-")[0], []).append((name.strip(), setting.strip()))
    return [_cut(file, name, items[number]) for number, name in names.items()]


def merged(sections: list[Section], name: str) -> Section | None:
    """All sections of that name as one, or None."""
    found = [section for section in sections if section.name == name]
    return Section(name=name, items=tuple(item for section in found for item in section.items)) if found else None


def _cut(file: str, name: str, items: list[tuple[str, str]]) -> Section:
    kept = KEPT[file]
    return Section(name=name, items=tuple((key, value) for key, value in items if kept.fullmatch(key.lower())))


def _lines(path: Path, folder: Path, depth: int) -> Iterator[str]:
    """The lines of a file and of what it includes, comment blocks and escaped semicolons taken out."""
    text = re.sub(r";--(?!-).*?--;", "", path.read_text(), flags=re.DOTALL).replace(r"\;", "")
    for line in text.splitlines():
        include = _INCLUDE.match(line.strip())
        if include is None:
            yield line.strip()
        elif depth:
            pattern = include[1].strip()
            root, pattern = (Path("/"), pattern.lstrip("/")) if pattern.startswith("/") else (folder, pattern)
            for found in sorted(root.glob(pattern)):
                yield from _lines(found, folder, depth - 1)


def _resolved(lines: Iterator[str]) -> Iterator[str]:
    """Plain ``[name]`` and ``key=value`` lines: each section begins with what its templates hold."""
    written: dict[str, list[str]] = {}
    templates: set[str] = set()
    current = ""
    for line in lines:
        header = _HEADER.match(line)
        if header is not None:
            current, options = header[1], [option.strip() for option in (header[2] or "").split(",")]
            if "!" in options:
                templates.add(current)
            inherited = [one for option in options if option not in ("!", "+", "") for one in written.get(option, [])]
            written.setdefault(current, []).extend(inherited)
        elif "=" in line.partition(";")[0] and current:
            written[current].append(line)
    for name, settings in written.items():
        if name not in templates:
            yield f"[{name}]"
            yield from settings
