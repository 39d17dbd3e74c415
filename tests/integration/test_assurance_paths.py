"""What a path's change makes of its record and its alarm, and which answers of the dialplan are no good."""

from dataclasses import replace
from itertools import count

import pytest

from agent.core.records import Path, Severity, Verdict
from agent.duties.assurance import paths
from agent.duties.assurance.condition import Condition
from agent.duties.assurance.paths import ANY, Key, Paths, Seen
from agent.duties.check.evidence import Route, Step
from agent.duties.check.numbers import judged

WAY = Seen(verdict=Verdict.OURS, text="goes to a trunk", route="[emergency] #1")
GOOD = Seen(verdict=Verdict.OURS, text="goes to our context emergency", route="999 of [phones] runs Gosub #a")
BAD = Seen(verdict=Verdict.BROKEN, text="has no extension: nothing answers it", route="nothing")


@pytest.fixture
def book() -> Paths:
    ids = count(1)
    return Paths(lambda: str(next(ids)))


def looked(
    book: Paths, seen: dict[Key, Seen], at: int, common: Seen = WAY
) -> tuple[list[Path], dict[str, tuple[str, Severity]]]:
    """The records of one look, and the alarms that stand after it by their subject."""
    news = list(book.look(common, seen, at))
    told = {each.subject: (each.what, each.severity) for each in news if isinstance(each, Condition) and each.what}
    return [each for each in news if isinstance(each, Path)], {
        name: (what or "", how) for name, (what, how) in told.items()
    }


def test_what_has_not_changed_is_not_written_again(book: Paths) -> None:
    records, alarms = looked(book, {("phones", "999"): GOOD}, 1000)
    assert {(record.context, record.number, record.verdict) for record in records} == {
        ("emergency", ANY, Verdict.OURS),
        ("phones", "999", Verdict.OURS),
    }
    assert not alarms
    assert looked(book, {("phones", "999"): GOOD}, 2000) == ([], {})


def test_a_path_that_breaks_is_a_critical_diff_until_it_is_mended(book: Paths) -> None:
    looked(book, {("phones", "999"): GOOD}, 1000)
    (old, new), alarms = looked(book, {("phones", "999"): BAD}, 2000)
    assert (old.verdict, old.since_at, old.gone_at) == (Verdict.OURS, 1000, 2000)
    assert (new.verdict, new.since_at, new.gone_at) == (Verdict.BROKEN, 2000, None)
    what = "999 in context phones has no extension: nothing answers it; before: 999 of [phones] runs Gosub #a"
    assert alarms == {"context phones": (what, Severity.CRITICAL)}
    # Said again in the same words, so that nothing is told twice.
    assert looked(book, {("phones", "999"): BAD}, 3000) == ([], alarms)
    worse = replace(BAD, text="is swallowed", route="_9. of [phones] runs Dial #c")
    assert (
        "before: 999 of [phones] runs Gosub #a"
        in looked(book, {("phones", "999"): worse}, 3500)[1]["context phones"][0]
    )
    records, alarms = looked(book, {("phones", "999"): GOOD}, 4000)
    assert [record.verdict for record in records] == [Verdict.BROKEN, Verdict.OURS]
    assert not alarms


def test_what_is_mended_in_another_way_than_it_was_is_a_change(book: Paths) -> None:
    looked(book, {("phones", "999"): GOOD}, 1000)
    looked(book, {("phones", "999"): BAD}, 2000)
    _, alarms = looked(book, {("phones", "999"): replace(GOOD, route="999 of [phones] runs Verbose #b")}, 3000)
    assert list(alarms) == ["context phones changed"]


def test_a_form_that_breaks_is_no_reason_to_wake_anybody(book: Paths) -> None:
    form = Seen(verdict=BAD.verdict, text=BAD.text, route=BAD.route, grave=False)
    _, alarms = looked(book, {("phones", "999"): GOOD, ("phones", "1470999"): form}, 1000)
    assert alarms["context phones"][1] is Severity.WARNING
    _, alarms = looked(book, {("phones", "999"): BAD, ("phones", "1470999"): form}, 2000)
    assert alarms["context phones"][1] is Severity.CRITICAL
    assert alarms["context phones"][0].startswith("999, 1470999 in context phones has no extension")


def test_a_change_that_breaks_nothing_is_told_until_a_rehearsal_has_tried_it(book: Paths) -> None:
    looked(book, {("phones", "999"): GOOD}, 1000)
    other = Seen(verdict=Verdict.OURS, text=GOOD.text, route="999 of [phones] runs Verbose #b")
    _, alarms = looked(book, {("phones", "999"): other}, 2000)
    what = "999 in context phones has changed: 999 of [phones] runs Gosub #a → 999 of [phones] runs Verbose #b"
    assert alarms == {"context phones changed": (f"{what}; rehearse it", Severity.WARNING)}
    assert ("context phones changed", None) in [(each.subject, each.what) for each in book.tried()]


def test_the_way_that_all_have_in_common_breaks_every_number_and_is_one_alarm(book: Paths) -> None:
    looked(book, {("phones", "999"): GOOD, ("shop", "999"): GOOD}, 1000)
    broken = Seen(verdict=Verdict.BROKEN, text="EMERGENCY_TRUNKS is empty", route="[emergency] #2")
    records, alarms = looked(book, {("phones", "999"): GOOD, ("shop", "999"): GOOD}, 2000, broken)
    assert {record.context for record in records if record.verdict is Verdict.BROKEN} == {"emergency", "phones", "shop"}
    assert list(alarms) == ["emergency.conf"]
    assert alarms["emergency.conf"][1] is Severity.CRITICAL
    assert book.verdict("shop", "999") is Verdict.BROKEN
    looked(book, {("phones", "999"): GOOD, ("shop", "999"): GOOD}, 3000)
    assert book.verdict("shop", "999") is Verdict.OURS


def test_a_context_in_which_no_phone_lands_any_more_is_over_and_so_is_its_alarm(book: Paths) -> None:
    looked(book, {("phones", "999"): BAD}, 1000)
    news = list(book.look(WAY, {}, 2000))
    assert [each.gone_at for each in news if isinstance(each, Path)] == [2000]
    assert [each.what for each in news if isinstance(each, Condition) and each.subject == "context phones"] == [None]
    assert book.verdict("phones", "999") is Verdict.UNSEEN


def test_a_change_made_while_nobody_looked_is_a_change(book: Paths) -> None:
    records, _ = looked(book, {("phones", "999"): GOOD}, 1000)
    later = Paths(lambda: "new")
    later.restore(records)
    assert looked(later, {("phones", "999"): GOOD}, 9000) == ([], {})
    later.restore(records)
    _, alarms = looked(later, {("phones", "999"): BAD}, 9000)
    assert "before: 999 of [phones] runs Gosub #a" in alarms["context phones"][0]


def step(application: str, target: str = "", number: str = "999", extension: str = "999") -> Step:
    return Step(context="phones", extension=extension, application=application, target=target, number=number)


@pytest.mark.parametrize(
    ("steps", "verdict"),
    [
        ([step("Gosub", "emergency")], Verdict.OURS),
        ([step("NoOp"), step("Set"), step("Gosub", "emergency"), step("Hangup")], Verdict.OURS),
        ([step("Hangup"), step("Gosub", "emergency")], Verdict.BROKEN),
        ([step("Dial"), step("Gosub", "emergency")], Verdict.BROKEN),
        ([step("Goto", "elsewhere"), step("Gosub", "emergency")], Verdict.BROKEN),
        ([step("Playback"), step("Gosub", "emergency")], Verdict.WEAK),
        ([step("GotoIf"), step("Gosub", "emergency")], Verdict.WEAK),
        ([step("Gosub", "emergency", number="s")], Verdict.BROKEN),
        ([step("Gosub", "emergency", number="")], Verdict.OURS),
        ([step("Playback")], Verdict.BROKEN),
        ([], Verdict.BROKEN),
    ],
)
def test_what_stands_before_our_context_counts(steps: list[Step], verdict: Verdict) -> None:
    assert judged("phones", Route(steps=tuple(steps))).verdict is verdict


def test_a_number_of_the_pbx_itself_is_worse_where_ours_is_there_to_be_run() -> None:
    own = Route(steps=(step("Dial"),), digest="1")
    assert paths.entry("phones", own, grave=True, installed=True).grave
    assert not paths.entry("phones", own, grave=True, installed=False).grave
    assert paths.entry("phones", Route(), grave=True, installed=False).grave
