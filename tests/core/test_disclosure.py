"""What may leave, and the register: whatever is refused is refused for its own reason, whatever is changed is seen."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.disclosure import (
    Register,
    Scope,
    Window,
    basis_refusal,
    canonical,
    checkpoint,
    commitment,
    consent_refusal,
    fields_of,
    may_be_told,
    power_refusal,
    scope_refusal,
    second_refusal,
    state_of,
    tree,
    verify,
    windows,
)
from agent.core.merkle import inclusion, root, verify_inclusion
from agent.core.powers import EMERGENCY_MS, KINDS
from agent.core.records import Consent, Disclosure, Emergency, Leaf, SeenBy, Service, Step

AT = 1_795_380_280_123
HOUR = 3_600_000
CALLS = ("call.started_at", "call.duration_s")


def scope(**changes: Any) -> Scope:
    return replace(Scope(lines=("201",), since_at=AT - HOUR, until_at=AT, fields=CALLS), **changes)


def consent(**changes: Any) -> Consent:
    given = Consent(
        id="c",
        account="A1001",
        lines="201 202",
        party="Acme",
        kinds=("call",),
        purpose="asked",
        by="sam",
        given_at=AT - 9 * HOUR,
        expires_at=AT + HOUR,
    )
    return replace(given, **changes)


def service(**changes: Any) -> Service:
    return replace(Service(id="s", account="A1001", line="201", from_at=AT - 9 * HOUR), **changes)


def emergency(**changes: Any) -> Emergency:
    call = Emergency(
        id="e",
        line="201",
        number="999",
        ip=None,
        vendor=None,
        model=None,
        started_at=AT - HOUR,
        ended_at=AT,
        seen_by=SeenBy.DIALPLAN,
    )
    return replace(call, **changes)


def entry(number: int, **changes: Any) -> Disclosure:
    made = Disclosure(
        id=f"{number:016x}",
        disclosure="d",
        step=Step.PROPOSED,
        at=AT + number,
        by="Sam",
        login="",
        party="West Yorkshire Police",
        authority="police",
        power="ipa_60a",
        consent="",
        reference=f"WY/{number}",
        emergency="",
        account="",
        lines="201",
        since_at=AT - HOUR,
        until_at=AT,
        kinds=("call",),
        fields=CALLS,
        reason="asked",
        secret_until_at=AT + HOUR if number % 2 else None,
        salt=f"{number:064x}",
    )
    return replace(made, **changes)


# The scope


def test_a_scope_names_lines_a_time_and_fields_that_there_are() -> None:
    assert scope_refusal(scope()) is None
    for kind in KINDS:
        assert scope_refusal(scope(fields=fields_of(kind))) is None
    assert "at least one line" in str(scope_refusal(scope(lines=())))
    assert "ends after it begins" in str(scope_refusal(scope(since_at=AT)))
    assert "at least one field" in str(scope_refusal(scope(fields=())))
    for name in ("content.sha256", "audit.by", "call", "", "look.reason", "disclosure.lines"):
        assert "kind" in str(scope_refusal(scope(fields=(*CALLS, name)))) or "no such field" in str(
            scope_refusal(scope(fields=(*CALLS, name)))
        )
    assert "no such field" in str(scope_refusal(scope(fields=("call.content",))))


def test_what_the_agent_keeps_for_itself_never_leaves() -> None:
    for kind in KINDS:
        assert f"{kind}.links" not in fields_of(kind)
        assert fields_of(kind), kind
    assert fields_of("content") == fields_of("audit") == ()


def test_a_disclosure_about_an_account_is_about_its_own_time_on_each_line() -> None:
    asked = scope(since_at=AT - 5 * HOUR, lines=("201", "202", "203", "204"))
    services = [
        service(from_at=AT - 9 * HOUR, until_at=AT - 4 * HOUR),
        service(from_at=AT - 2 * HOUR),
        service(line="202", from_at=AT - 9 * HOUR, until_at=AT - 5 * HOUR),
        service(line="203", corrected_at=AT),
        service(line="204", account="A1002"),
        service(line="205"),
        service(line=None, number="01134960753"),
    ]
    times = windows(asked, "A1001", services)
    first = Window(since_at=AT - 5 * HOUR, until_at=AT - 4 * HOUR, own_at=AT - 9 * HOUR)
    second = Window(since_at=AT - 2 * HOUR, until_at=AT, own_at=AT - 2 * HOUR)
    assert times == {"201": [first, second]}


def test_a_disclosure_about_lines_is_about_all_of_its_time_or_by_consent_about_who_had_them_then() -> None:
    whole = Window(since_at=AT - HOUR, until_at=AT)
    assert windows(scope(), "", []) == {"201": [whole]}
    services = [
        service(account="A0999", from_at=AT - 9 * HOUR, until_at=AT - 2 * HOUR),
        service(from_at=AT - 2 * HOUR),
        service(from_at=AT - HOUR, corrected_at=AT),
        service(line="202", from_at=AT - HOUR),
    ]
    assert windows(scope(), "", services) == {"201": [replace(whole, own_at=AT - 2 * HOUR)]}


def test_who_renewed_is_one_customer_by_account_and_by_consent() -> None:
    renewed = [service(from_at=AT - 9 * HOUR, until_at=AT - 2 * HOUR), service(from_at=AT - 2 * HOUR)]
    own = Window(since_at=AT - HOUR, until_at=AT, own_at=AT - 9 * HOUR)
    assert windows(scope(), "A1001", renewed) == windows(scope(), "", renewed) == {"201": [own]}
    assert consent_refusal(consent(), "Acme", scope(since_at=AT - 3 * HOUR), renewed, AT) is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, None),
        ({"power": "", "authority": "", "consent": "c"}, None),
        ({"consent": "c"}, "either on a power or on a consent"),
        ({"power": ""}, "either on a power or on a consent"),
        ({"power": "", "consent": "c"}, "held by no authority"),
        ({"power": "", "authority": "", "consent": "c", "emergency": "e"}, "about no emergency call"),
    ],
)
def test_a_disclosure_rests_on_one_right(changes: dict[str, str], words: str | None) -> None:
    said = basis_refusal(entry(0, **changes))
    assert said is None if words is None else words in str(said)


# By consent


def test_a_consent_that_stands_covers_its_party_lines_and_kinds() -> None:
    assert consent_refusal(consent(), "Acme", scope(), [], AT) is None
    assert consent_refusal(consent(), "Acme", scope(), [service()], AT) is None


@pytest.mark.parametrize(
    ("given", "party", "asked", "words"),
    [
        (None, "Acme", scope(), "no such consent"),
        (consent(withdrawn_at=AT - 1), "Acme", scope(), "withdrawn on 2026-11-22"),
        (consent(expires_at=AT), "Acme", scope(), "expired on 2026-11-22"),
        (consent(), "Acme Ltd", scope(), "another party"),
        (consent(), "Acme", scope(lines=("201", "203")), "wider than the consent: it has other lines"),
        (consent(), "Acme", scope(fields=(*CALLS, "registration.ip")), "wider than the consent: it has registration"),
    ],
)
def test_a_consent_covers_nothing_else(given: Consent | None, party: str, asked: Scope, words: str) -> None:
    assert words in str(consent_refusal(given, party, asked, [], AT))


@pytest.mark.parametrize(
    "services",
    [
        [service(account="A1002")],
        [service(from_at=AT - HOUR + 1)],
        [service(until_at=AT - 1), service(account="A1002", from_at=AT - 1)],
        [service(corrected_at=AT), service(account="A1002")],
    ],
)
def test_nobody_consents_for_who_had_the_line_before_or_after(services: list[Service]) -> None:
    assert "not of that account for all of the time" in str(consent_refusal(consent(), "Acme", scope(), services, AT))


# By a power


def test_an_emergency_is_disclosed_until_an_hour_after_its_end_and_not_a_millisecond_longer() -> None:
    asked = scope(fields=fields_of("emergency"))

    def refused(call: Emergency | None, now: int, **changes: Any) -> str | None:
        return power_refusal("emergency", "police", replace(asked, **changes), call, now, named=True)

    assert refused(emergency(), AT + EMERGENCY_MS - 1) is None
    assert refused(emergency(ended_at=None), AT + 99 * HOUR) is None, "while it is up"
    assert "the hour after this emergency call is over" in str(refused(emergency(), AT + EMERGENCY_MS))
    assert "no emergency call" in str(refused(None, AT))
    assert "rehearsal" in str(refused(emergency(test=True), AT))
    assert "line of this emergency call alone" in str(refused(emergency(), AT, lines=("202",)))
    assert "line of this emergency call alone" in str(refused(emergency(), AT, lines=("201", "202")))
    assert "line of this emergency call alone" in str(refused(emergency(line=None), AT))
    assert "does not cover call" in str(refused(emergency(), AT, fields=CALLS))


def test_other_powers_are_about_no_emergency_call() -> None:
    assert power_refusal("ipa_60a", "police", scope(), None, AT, named=False) is None
    assert "name none" in str(power_refusal("ipa_60a", "police", scope(), emergency(), AT, named=True))
    assert "does not hold" in str(power_refusal("court_order", "police", scope(), None, AT, named=False))


# Two people


@pytest.mark.parametrize(
    ("proposer", "login", "by", "other_login", "same"),
    [
        ("Sam", "", "Kim", "", False),
        ("Sam", "sam", "Kim", "kim", False),
        ("Sam", "", "sAM", "", True),
        ("Sam Field", "", " sam  field", "", True),
        ("Sam", "sam", "Kim", "sam", True),
        ("Sam", "sam", "Sam", "kim", True),
        ("Sam", "sam", "Kim", "", True),
        ("Sam", "", "Kim", "kim", False),
    ],
)
def test_nobody_releases_what_they_have_proposed(
    proposer: str, login: str, by: str, other_login: str, same: bool
) -> None:
    assert (second_refusal(entry(0, by=proposer, login=login), by, other_login) is not None) == same


def test_a_disclosure_stands_where_its_last_step_left_it() -> None:
    assert state_of([]) is None
    assert state_of([entry(0)]) is Step.PROPOSED
    assert state_of([entry(1, step=Step.RELEASED), entry(0)]) is Step.RELEASED
    assert state_of([entry(0), entry(1, step=Step.REFUSED)]) is Step.REFUSED


def test_a_secret_may_be_told_from_its_day_on() -> None:
    assert may_be_told(entry(0, secret_until_at=None), AT)
    assert not may_be_told(entry(0, secret_until_at=AT + 1), AT)
    assert may_be_told(entry(0, secret_until_at=AT), AT)


# The register


def sign(text: bytes) -> str:
    return sha256(b"key" + text).hexdigest()


def signed(text: bytes, signature: str) -> bool:
    return sign(text) == signature


Kept = tuple[list[Leaf], Mapping[str, Disclosure | None]]


def kept(size: int) -> tuple[list[Leaf], dict[str, Disclosure | None]]:
    register = Register(sign=sign)
    entries = [entry(number) for number in range(size)]
    return [register.append(each) for each in entries], {each.id: each for each in entries}


def wrong(found: Kept, *, since: int = 0, noted: tuple[int, str] | None = None) -> list[str]:
    return list(verify(*found, signed, kept_since=since, noted=noted))


SIZES = st.integers(1, 12)


@given(SIZES, st.data())
def test_a_register_proves_whole_and_begins_with_each_earlier_one(size: int, data: st.DataObject) -> None:
    leaves, entries = kept(size)
    assert wrong((leaves, entries)) == []
    earlier = leaves[data.draw(st.integers(0, size - 1))]
    assert wrong((leaves, entries), noted=(earlier.seq + 1, earlier.root)) == []
    assert verify_inclusion(
        tree(leaves)[earlier.seq], earlier.seq, size, inclusion(tree(leaves), earlier.seq), root(tree(leaves))
    )


@given(SIZES, st.data())
def test_no_field_of_an_entry_can_change_unseen(size: int, data: st.DataObject) -> None:
    leaves, entries = kept(size)
    each = entries[data.draw(st.sampled_from(sorted(entries)))]
    assert each is not None
    name = data.draw(st.sampled_from([name for name in type(each).__slots__ if name != "id"]))
    value = getattr(each, name)
    other: Any = "another"
    if isinstance(value, tuple):
        other = (*value, "another")
    elif name.endswith("at"):
        other = None if value else AT
        other = AT - 5 if name in ("at", "since_at", "until_at") else other
    elif isinstance(value, Step):
        other = Step.REFUSED
    entries[each.id] = replace(each, **{name: other})
    assert wrong((leaves, entries))


@given(SIZES, st.data())
def test_no_leaf_can_change_unseen(size: int, data: st.DataObject) -> None:
    leaves, entries = kept(size)
    place = data.draw(st.integers(0, size - 1))
    changed: dict[str, Callable[[Leaf], Leaf]] = {
        "id": lambda leaf: replace(leaf, id="another"),
        "seq": lambda leaf: replace(leaf, seq=leaf.seq + 1),
        "at": lambda leaf: replace(leaf, at=leaf.at + 1),
        "commitment": lambda leaf: replace(leaf, commitment=sha256(leaf.commitment.encode()).hexdigest()),
        "no hash": lambda leaf: replace(leaf, commitment="x"),
        "root": lambda leaf: replace(leaf, root=sha256(leaf.root.encode()).hexdigest()),
        "signature": lambda leaf: replace(leaf, signature="x"),
    }
    how = data.draw(st.sampled_from(sorted(changed)))
    leaves[place] = changed[how](leaves[place])
    assert wrong((leaves, entries))


@given(SIZES, st.data())
def test_no_entry_can_be_rewritten_with_its_leaf_unseen(size: int, data: st.DataObject) -> None:
    leaves, entries = kept(size)
    place = data.draw(st.integers(0, size - 1))
    rewritten = entry(place, reason="another")
    leaves[place] = replace(leaves[place], commitment=commitment(rewritten))
    problems = wrong((leaves, entries | {rewritten.id: rewritten}))
    assert len(problems) == size - place, "from there on each root is another"


@given(st.integers(2, 12), st.data())
def test_no_entry_can_be_removed_put_in_or_moved_unseen(size: int, data: st.DataObject) -> None:
    leaves, entries = kept(size)
    noted = size, leaves[-1].root
    place = data.draw(st.integers(0, size - 1))
    without = [leaf for leaf in leaves if leaf.seq != place]
    rest = {id: each for id, each in entries.items() if id != leaves[place].id}
    assert wrong((leaves, rest)), "the entry alone"
    assert wrong((without, entries)), "the leaf alone"
    assert wrong((without, rest), noted=noted), "both, seen at the end by what was noted"
    if place < size - 1:
        assert wrong((without, rest))
        renumbered = [replace(leaf, seq=number) for number, leaf in enumerate(without)]
        assert wrong((renumbered, rest))
    put_in = [*leaves[:place], replace(leaves[place], id="another"), *leaves[place:]]
    assert wrong(([replace(leaf, seq=number) for number, leaf in enumerate(put_in)], entries))
    other = data.draw(st.integers(0, size - 1).filter(lambda number: number != place))
    moved = [*leaves]
    moved[place], moved[other] = replace(moved[other], seq=place), replace(moved[place], seq=other)
    assert wrong((moved, entries))


def test_a_register_made_anew_is_seen_against_what_was_noted() -> None:
    leaves, _ = kept(5)
    register = Register(sign=sign)
    others = [entry(number, reason="another") for number in range(5)]
    anew = [register.append(each) for each in others], {each.id: each for each in others}
    assert wrong(anew) == [], "whoever has the key can"
    assert wrong(anew, noted=(5, leaves[-1].root))


def test_entries_whose_time_is_over_go_and_the_register_proves_whole() -> None:
    leaves, entries = kept(6)
    young = {id: each for id, each in entries.items() if each is not None and each.at >= AT + 3}
    assert wrong((leaves, young), since=AT + 3) == []
    assert wrong((leaves, young), since=AT + 2) == ["the entry of leaf 2 is missing before its time"]


def test_what_cannot_be_read_here_is_taken_by_its_leaf() -> None:
    leaves, entries = kept(3)
    assert wrong((leaves, dict.fromkeys(entries))) == []


@given(SIZES, st.integers(0, 12))
def test_it_goes_on_after_a_restart(size: int, stop: int) -> None:
    register = Register(sign=sign)
    leaves: list[Leaf] = []
    for number in range(size):
        if number == stop:
            register = Register(sign=sign)
            register.restore(leaves)
        leaves.append(register.append(entry(number)))
    assert leaves == kept(size)[0]


def test_a_leaf_tells_nothing_of_its_entry_not_even_whether_it_is_secret() -> None:
    told, secret = entry(0, secret_until_at=None), entry(0, secret_until_at=AT + HOUR)
    one, other = (Register(sign=sign).append(each) for each in (told, secret))
    assert (one.id, one.seq, one.at) == (other.id, other.seq, other.at)
    assert len(one.commitment) == len(other.commitment) == 64
    assert commitment(told) != commitment(replace(told, salt="other")), "the same entry under another salt"


def test_the_canonical_form_is_what_it_is() -> None:
    """Whoever has an entry and its salt can check it with a JSON library and SHA-256 alone."""
    said = canonical(entry(0, party="Zoë"))
    assert said.startswith(b'{"account":"","at":1795380280123,"authority":"police","bundle":null,')
    assert b'"party":"Zo\\u00eb"' in said
    assert b"salt" not in said
    assert commitment(entry(0)) == sha256(entry(0).salt.encode() + b"\n" + canonical(entry(0))).hexdigest()
    assert checkpoint(3, "0f", AT) == b"telephony-agent disclosure register\n3\n0f\n2026-11-22T20:44:40.123Z\n"
