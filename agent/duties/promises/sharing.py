"""P08, P09: what left to a third party left by a consent or a power, by two people, and the register proves whole."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, fields
from hashlib import sha256
from pathlib import Path
from typing import Any

from agent.core.disclosure import verify
from agent.core.instants import from_rfc3339
from agent.core.powers import refusal
from agent.core.records import Consent, Disclosure, Leaf, RetentionClass, Step
from agent.duties.promises.result import DAY_MS, Result, Scene, Survey, judged, some

#: The hashes of a bundle's files; the hash of this file is the bundle's (agent.stores.bundles).
_SUMS = "SHA256SUMS"
_PART = ".part"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """What of an entry of the register is not encrypted."""

    disclosure: str
    step: str
    at: int
    by: str
    login: str
    authority: str
    power: str
    consent: str
    kinds: tuple[str, ...]
    bundle: str | None


def p08(scene: Scene) -> Result:
    """Each release has its consent or its power, and each bundle on the disk its release."""
    with scene.survey() as survey:
        released = [entry for entry in _entries(survey) if entry.step == Step.RELEASED]
        consents = {
            str(id): (expires, withdrawn)
            for id, expires, withdrawn in survey.raw(Consent.KIND, "id", "expires_at", "withdrawn_at")
        }
    hashes = {entry.disclosure: entry.bundle for entry in released}
    bundles = _bundles(scene.places.bundles)
    unfounded = sum(bool(each.consent) and not _stood(consents.get(each.consent), each.at) for each in released)
    other = sum(id in hashes and hashes[id] != hashed for id, hashed in bundles.items())
    faults = [
        some(sum(not (each.consent or each.power) for each in released), "releases have neither consent nor power"),
        some(unfounded, "releases rest on a consent that did not stand"),
        some(len(bundles.keys() - hashes.keys()), "bundles lie there that nobody released"),
        some(other, "bundles are not what was released"),
    ]
    looked = f"{len(released)} releases, {len(consents)} consents, {len(bundles)} bundles looked at"
    return judged("P08", faults, looked)


def p09(scene: Scene) -> Result:
    """Each power was known and covered what left, two people let it go, and nobody changed the register."""
    with scene.survey() as survey:
        entries = list(_entries(survey))
        names = [item.name for item in fields(Leaf)]
        rows = [dict(zip(names, row, strict=True)) for row in survey.raw(Leaf.KIND, *names)]
        there: dict[str, Disclosure | None] = {str(id): None for (id,) in survey.raw(Disclosure.KIND, "id")}
    leaves = [_leaf(row) for row in rows]
    leaves.sort(key=lambda leaf: leaf.seq)
    since = scene.at - scene.terms.days[RetentionClass.CONSENT] * DAY_MS
    # What is encrypted in an entry cannot be compared with its leaf here: `register verify` does, with the keys.
    problems = sum(1 for _ in verify(leaves, there, scene.signed, kept_since=since))
    proposals = {entry.disclosure: entry for entry in entries if entry.step == Step.PROPOSED}
    released = [entry for entry in entries if entry.step == Step.RELEASED]
    alone = sum(not _two(proposals.get(each.disclosure), each) for each in released)
    by_power = [each for each in released if each.power]
    uncovered = sum(refusal(each.power, each.authority, each.kinds) is not None for each in by_power)
    faults = [
        some(problems, "places in the register are not as they were written"),
        some(uncovered, "releases were by no power that covers them"),
        some(alone, "releases were one person's alone"),
    ]
    return judged("P09", faults, f"{len(leaves)} leaves of the register, {len(by_power)} releases by a power looked at")


def _entries(survey: Survey) -> Iterator[_Entry]:
    names = [item.name for item in fields(_Entry)]
    for row in survey.raw(Disclosure.KIND, *names):
        values: dict[str, Any] = dict(zip(names, row, strict=True))
        yield _Entry(**values | {"at": from_rfc3339(values["at"]), "kinds": tuple(json.loads(values["kinds"]))})


def _leaf(row: dict[str, Any]) -> Leaf:
    return Leaf(**row | {"at": from_rfc3339(row["at"])})


def _stood(consent: tuple[Any, Any] | None, at: int) -> bool:
    """Whether a consent, by its end and its withdrawal, stood at ``at`` (ms)."""
    if consent is None:
        return False
    expires, withdrawn = consent
    return at < from_rfc3339(expires) and (withdrawn is None or at <= from_rfc3339(withdrawn))


def _two(proposal: _Entry | None, release: _Entry) -> bool:
    if proposal is None:
        return False
    one_login = bool(proposal.login) and release.login in ("", proposal.login)
    return proposal.by.casefold() != release.by.casefold() and not one_login


def _bundles(folder: Path) -> dict[str, str]:
    """The hash of each bundle in the folder, by its name; those that are not whole yet are left out."""
    found: dict[str, str] = {}
    if folder.is_dir():
        for each in folder.iterdir():
            if each.suffix != _PART:
                sums = each / _SUMS
                found[each.name] = sha256(sums.read_bytes()).hexdigest() if sums.is_file() else ""
    return found
