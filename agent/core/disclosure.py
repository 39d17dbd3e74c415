"""What may leave to a third party, and the register that nobody can change unseen.

A disclosure takes a consent, or a power from the list (`agent.core.powers`); one person proposes it, another releases
it. Each step is an entry, and each entry a leaf of a Merkle tree (`agent.core.merkle`): the SHA-256 of a random salt
and of the entry in its canonical form. Leaves of secret entries look like all others; how many there are, and when each
was written, can be seen. When an entry's time is over it goes with its salt; its leaf says nothing then, and stays.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from hashlib import sha256

from agent.core.accounts import joined
from agent.core.instants import rfc3339
from agent.core.merkle import Frontier, leaf_hash
from agent.core.powers import EMERGENCY_MS, KINDS, POWERS, refusal
from agent.core.records import NOBODY, RECORDS, Consent, Disclosure, Emergency, Leaf, Record, Service, Step, rules

#: The first line of what is signed (a checkpoint as of C2SP tlog-checkpoint: origin, size, root, and the instant).
ORIGIN = "telephony-agent disclosure register"

_OF_KIND = {record.KIND: record for record in RECORDS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Whose data of what time, and exactly which fields (``kind.field``)."""

    lines: tuple[str, ...]
    since_at: int
    until_at: int
    fields: tuple[str, ...]

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of record that the fields are of."""
        return tuple(dict.fromkeys(name.partition(".")[0] for name in self.fields))


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A time, [``since_at``, ``until_at``) in ms, whose data is meant; what began before ``own_at`` is another's."""

    since_at: int
    until_at: int
    own_at: int = 0


#: For each line the times whose data is meant.
Windows = Mapping[str, Sequence[Window]]


def windows(scope: Scope, account: str, services: Sequence[Service]) -> Windows:
    """The times of each line of ``scope`` that is meant: all of its time, or those in which it was of ``account``.

    ``services`` are those of the account, or of the lines whose customer consents; what was of somebody else before or
    after stays.
    """
    theirs = joined(services)
    if not account:
        return {line: [_window(scope, scope.until_at, _own_at(line, scope, theirs))] for line in scope.lines}
    found: dict[str, list[Window]] = {}
    for each in theirs:
        until = scope.until_at if each.until_at is None else min(each.until_at, scope.until_at)
        window = _window(scope, until, each.from_at)
        own = each.account == account and window.since_at < until
        if own and each.line is not None and each.line in scope.lines:
            found.setdefault(each.line, []).append(window)
    return found


def _window(scope: Scope, until_at: int, own_at: int) -> Window:
    return Window(since_at=max(own_at, scope.since_at), until_at=until_at, own_at=own_at)


def _own_at(line: str, scope: Scope, services: Sequence[Service]) -> int:
    begins = (each.from_at for each in services if each.line == line and each.from_at <= scope.since_at)
    return max(begins, default=0)


def fields_of(kind: str) -> tuple[str, ...]:
    """The fields of a kind that may leave, as ``kind.field``; none of a kind that may not."""
    if kind not in KINDS:
        return ()
    return tuple(f"{kind}.{rule.name}" for rule in rules(_OF_KIND[kind]) if rule.readers is not NOBODY)


def scope_refusal(scope: Scope, *, of_emergency: bool = False) -> str | None:
    """What is wrong with the scope itself, in one sentence; the line of an emergency call may not be known."""
    if not scope.lines and not of_emergency:
        return "a disclosure is about at least one line"
    if scope.since_at >= scope.until_at:
        return "the time that a disclosure is about ends after it begins"
    if not scope.fields:
        return "a disclosure names at least one field"
    for name in scope.fields:
        kind = name.partition(".")[0]
        if kind not in KINDS:
            return f"nothing of that kind leaves; kinds: {', '.join(KINDS)}"
        if name not in fields_of(kind):
            return f"there is no such field of a {kind}; fields: {', '.join(fields_of(kind))}"
    return None


def basis_refusal(entry: Disclosure) -> str | None:
    """What is wrong with the right that a disclosure names, in one sentence: it rests on one alone."""
    if bool(entry.power) == bool(entry.consent):
        return "a disclosure rests either on a power or on a consent"
    if entry.consent and (entry.authority or entry.emergency):
        return "a consent is held by no authority, and is about no emergency call"
    return None


def consent_refusal(
    consent: Consent | None, party: str, scope: Scope, services: Sequence[Service], now: int
) -> str | None:
    """Why this consent lets nothing of ``scope`` leave to ``party`` at ``now`` (ms), in one sentence; None: it does.

    ``services`` tell whose the lines were: nobody consents for who had a line before. Of lines that none of them is
    about that is not known, and not asked.
    """
    if consent is None:
        return "there is no such consent"
    if consent.withdrawn_at is not None:
        return f"this consent was withdrawn on {rfc3339(consent.withdrawn_at)}"
    if now >= consent.expires_at:
        return f"this consent expired on {rfc3339(consent.expires_at)}"
    if party != consent.party:
        return "this consent names another party"
    if not set(scope.lines) <= set(consent.lines.split()):
        return "the scope is wider than the consent: it has other lines"
    if wider := [kind for kind in scope.kinds if kind not in consent.kinds]:
        return f"the scope is wider than the consent: it has {', '.join(wider)} as well"
    theirs = joined(services)
    for line in scope.lines:
        of_line = [each for each in theirs if each.line == line]
        if of_line and not any(_covers(each, consent.account, scope) for each in of_line):
            return "the scope is wider than the consent: a line was not of that account for all of the time"
    return None


def _covers(service: Service, account: str, scope: Scope) -> bool:
    until = service.until_at
    return (
        service.account == account and service.from_at <= scope.since_at and (until is None or until >= scope.until_at)
    )


def power_refusal(
    power: str, authority: str, scope: Scope, emergency: Emergency | None, now: int, *, named: bool
) -> str | None:
    """Why nothing of ``scope`` leaves by ``power`` at ``now`` (ms), in one sentence; None where it may.

    ``emergency`` is the stored call that the exemption is about, ``named`` whether the proposal names one.
    """
    why = refusal(power, authority, scope.kinds)
    if why is not None:
        return why
    if not POWERS[power].of_emergency:
        return "only the exemption for an emergency call is about one: name none" if named else None
    if emergency is None:
        return "no emergency call of this id is stored: the exemption is about one"
    if emergency.test:
        return "a rehearsal is no emergency call"
    if emergency.ended_at is not None and now >= emergency.ended_at + EMERGENCY_MS:
        return "the hour after this emergency call is over: it takes another power now"
    if scope.lines != lines_of(emergency):
        return "the scope is wider than the exemption: it covers the line of this emergency call alone"
    return None


def lines_of(emergency: Emergency) -> tuple[str, ...]:
    """The line of an emergency call, where it is known."""
    return () if emergency.line is None else (emergency.line,)


def second_refusal(proposal: Disclosure, by: str, login: str) -> str | None:
    """Why this person may not release what ``proposal`` proposes, in one sentence."""
    # Behind no login anybody may be, who proposed it as well (systemd-run, cron).
    same_login = bool(proposal.login) and login in ("", proposal.login)
    if same_login or " ".join(by.split()).casefold() == " ".join(proposal.by.split()).casefold():
        return "who proposed a disclosure cannot release it: it takes another person, with a login of their own"
    return None


def state_of(entries: Sequence[Disclosure]) -> Step | None:
    """Where a disclosure stands, by its entries; None where it was never proposed."""
    steps = {entry.step for entry in entries}
    return next((step for step in (Step.RELEASED, Step.REFUSED, Step.PROPOSED) if step in steps), None)


def may_be_told(entry: Disclosure, now: int) -> bool:
    """Whether others may be told of an entry at ``now`` (ms): the customer whose data it is, and staff without need."""
    return entry.secret_until_at is None or now >= entry.secret_until_at


# -- the register ---------------------------------------------------------------------------------------------------


def canonical(entry: Disclosure) -> bytes:
    """The entry as it is hashed: JSON with sorted keys, no spaces, ASCII; without its salt."""
    said = {item.name: getattr(entry, item.name) for item in fields(entry) if item.name != "salt"}
    return json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def commitment(entry: Disclosure) -> str:
    """The salted hash of an entry, in hexadecimal."""
    return sha256(entry.salt.encode() + b"\n" + canonical(entry)).hexdigest()


def checkpoint(size: int, root: str, at: int) -> bytes:
    """What is signed of a tree of ``size`` leaves with this root (hexadecimal)."""
    return f"{ORIGIN}\n{size}\n{root}\n{rfc3339(at)}\n".encode()


def in_order(records: Iterable[Record]) -> list[Leaf]:
    """The leaves among ``records``, by their numbers."""
    return sorted((leaf for leaf in records if isinstance(leaf, Leaf)), key=lambda leaf: leaf.seq)


def tree(leaves: Iterable[Leaf]) -> list[bytes]:
    """The hashes of the leaves, in their order."""
    return [leaf_hash(bytes.fromhex(leaf.commitment)) for leaf in leaves]


@dataclass(slots=True)
class Register:
    """Where the register has got to; ``sign`` gives the signature over a checkpoint."""

    sign: Callable[[bytes], str]
    _frontier: Frontier = field(default_factory=Frontier)

    def append(self, entry: Disclosure) -> Leaf:
        """The leaf of an entry, with the signed root of the tree that it is the last of."""
        hidden = commitment(entry)
        self._frontier.append(leaf_hash(bytes.fromhex(hidden)))
        size, top = self._frontier.size, self._frontier.root().hex()
        signature = self.sign(checkpoint(size, top, entry.at))
        return Leaf(id=entry.id, seq=size - 1, at=entry.at, commitment=hidden, root=top, signature=signature)

    def restore(self, leaves: Iterable[Leaf]) -> None:
        """Go on behind the leaves of earlier runs, in their order."""
        for hashed in tree(leaves):
            self._frontier.append(hashed)


def verify(
    leaves: Sequence[Leaf],
    entries: Mapping[str, Disclosure | None],
    signed: Callable[[bytes, str], bool],
    *,
    kept_since: int,
    noted: tuple[int, str] | None = None,
) -> Iterator[str]:
    """What is wrong with the register, in words; nothing where all of it proves whole.

    ``leaves`` come in their order, ``entries`` by id, None where one cannot be read here; those before ``kept_since``
    (ms) may have gone. ``signed`` tells whether a signature is of the register's key. The tree of ``noted`` (size and
    root) must still be its beginning.
    """
    frontier = Frontier()
    tops: dict[int, str] = {}
    for number, leaf in enumerate(leaves):
        name = f"leaf {leaf.seq}"
        if leaf.seq != number:
            yield f"{name} stands where leaf {number} should"
        try:
            frontier.append(leaf_hash(bytes.fromhex(leaf.commitment)))
        except ValueError:
            yield f"{name} holds no hash"
            return
        top = tops[number + 1] = frontier.root().hex()
        if leaf.root != top:
            yield f"{name}, or one before it, was changed, removed, put in or moved: the root is another"
        if not signed(checkpoint(number + 1, leaf.root, leaf.at), leaf.signature):
            yield f"the signature of {name} is not the register's"
        entry = entries.get(leaf.id)
        if leaf.id not in entries and leaf.at >= kept_since:
            yield f"the entry of {name} is missing before its time"
        elif entry is not None and (commitment(entry) != leaf.commitment or entry.at != leaf.at):
            yield f"the entry of {name} was changed"
    known = {leaf.id for leaf in leaves}
    for id in entries:
        if id not in known:
            yield f"the entry {id} has no leaf"
    if noted is not None and tops.get(noted[0]) != noted[1]:
        yield f"the register of {noted[0]} leaves that was noted is not its beginning"
