"""By which powers something may leave, to whom, and by which nothing does."""

import pytest

from agent.core.powers import KINDS, POWERS, REFUSED, Authority, refusal


@pytest.mark.parametrize("word", POWERS)
def test_a_power_covers_its_own_authorities_and_kinds_alone(word: str) -> None:
    power = POWERS[word]
    assert power.source
    assert power.kinds <= set(KINDS)
    for authority in Authority:
        for kind in KINDS:
            may = authority in power.authorities and kind in power.kinds
            assert (refusal(word, authority, (kind,)) is None) == may, (authority, kind)
    assert "does not hold" in str(refusal(word, "", ("call",)))
    assert "does not hold" in str(refusal(word, "somebody", ("call",)))


@pytest.mark.parametrize("word", REFUSED)
def test_nothing_leaves_by_a_refused_power_whoever_asks(word: str) -> None:
    assert word not in POWERS
    for authority in Authority:
        assert refusal(word, authority, ()) == REFUSED[word]


def test_general_information_powers_are_named_as_such() -> None:
    for word in ("ssaa_109b", "fsma_165", "hswa_20"):
        assert "general information power" in REFUSED[word]
        assert "s.12(2)" in REFUSED[word]
    assert "internet connection records, and none are kept" in REFUSED["ipa_62"]


@pytest.mark.parametrize("word", ["", "because", "ipa_60A", "court_order "])
def test_what_is_not_in_the_list_is_no_power(word: str) -> None:
    assert "no such power" in str(refusal(word, "police", ("call",)))


def test_no_power_covers_content() -> None:
    assert "content" not in {kind for power in POWERS.values() for kind in power.kinds}


def test_the_fuller_view_leaves_by_the_emergency_exemption_alone() -> None:
    assert [word for word, power in POWERS.items() if "detail" in power.kinds] == ["emergency"]
