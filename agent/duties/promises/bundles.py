"""Folders of what was put together for customers and third parties: each goes when its time is over."""

import json
from collections.abc import Iterator
from pathlib import Path

from agent.core.instants import from_rfc3339
from agent.duties.copies import is_cut_off
from agent.duties.promises.result import DAY_MS, Scene

_MANIFEST = "manifest.json"
#: How long after the end of its time a folder may still be there: it is looked after every hour.
_MARGIN_MS = DAY_MS


def overdue(scene: Scene) -> Iterator[Path]:
    """Customers' copies, halves of such, and released bundles that should have gone a day ago."""
    for copy in _folders(scene.places.copies):
        until = _delete_by(copy)
        if (until is not None and until < scene.at - _MARGIN_MS) or is_cut_off(copy, scene.at - _MARGIN_MS):
            yield copy
    for bundle in _folders(scene.places.bundles):
        if bundle.stat().st_mtime * 1000 < scene.at - scene.terms.bundle_days * DAY_MS - _MARGIN_MS:
            yield bundle


def count(scene: Scene) -> int:
    """How many there are."""
    return len([*_folders(scene.places.copies), *_folders(scene.places.bundles)])


def _folders(root: Path | None) -> list[Path]:
    if root is None or not root.is_dir():
        return []
    return [path for path in root.iterdir() if path.is_dir() and not path.is_symlink()]


def _delete_by(copy: Path) -> int | None:
    """The instant (ms) that its manifest names; of what is no copy, none."""
    try:
        return from_rfc3339(json.loads((copy / _MANIFEST).read_bytes())["delete_by"])
    except (OSError, ValueError, LookupError, TypeError):
        return None
