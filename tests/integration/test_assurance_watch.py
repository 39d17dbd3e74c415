"""The watch beside an Asterisk made of tables: what it asks and when, what it cannot see, what it tells of phones."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

import pytest

from agent.core.devices import Device
from agent.core.lanes import Lane
from agent.core.records import Certainty, IpSource, Record, Severity
from agent.core.registration import Span, minimise
from agent.core.sites import Site, Sites
from agent.core.wire import Message
from agent.duties.assurance import Condition, Demands, File, Reach, Subjects, TrunkState, Watch, watch
from agent.duties.check.evidence import Reachability
from agent.sources.ami import Answer, SessionDown

COMMANDS = ("PJSIPShowEndpoints", "ShowDialPlan", "Getvar", "ModuleCheck", "Filter")
LEEDS = Site(id="leeds", name="Leeds", street="Park Row", town="Leeds", postcode="LS1 4AP", cli="+441134960000")
NUMBERS = ("999", "112")


def extension(context: str, exten: str, application: str, data: str = "") -> Message:
    entry = {"Context": context, "Extension": exten, "Priority": "1", "Application": application, "AppData": data}
    return Message("ListDialplan", entry)


class Pbx:
    """A login that answers from tables; `reload` is Asterisk telling of one."""

    def __init__(self) -> None:
        self.commands: tuple[str, ...] = COMMANDS
        self.contexts = {"201": "phones", "202": "phones"}
        self.ours = {"phones"}
        self.status = Reachability.REACHABLE
        self.asked: list[str] = []
        self.looked = asyncio.Event()
        self.reload = asyncio.Event()
        self.gone = False

    async def ask(self, action: Mapping[str, str]) -> Answer:
        if self.gone:
            raise SessionDown("closed")
        self.asked.append(action["Action"])
        if action["Action"] == "ListCommands":
            return Answer(ok=True, headers=dict.fromkeys(self.commands, "What it does.  (Priv: system)"))
        return Answer(ok=True, headers={"Value": self._value(action.get("Variable", ""))})

    def _value(self, name: str) -> str:
        for line, context in self.contexts.items():
            if name.startswith(f"EVAL(${{PJSIP_ENDPOINT({line},context)}}"):
                return f"{context}||||||"
        return {
            "EMERGENCY_TRUNKS": "carrier",
            "EMERGENCY_CLI_carrier": "+441134960999",
            "PJSIP_ENDPOINT(carrier,aors)": "carrier",
            "PJSIP_ENDPOINT(carrier,context)": "incoming",
            "PJSIP_AOR(carrier,contact)": "carrier@@1f",
            "PJSIP_CONTACT(carrier@@1f,status)": self.status.value,
        }.get(name, "")

    async def ask_list(
        self, action: Mapping[str, str], complete: str, items: frozenset[str]
    ) -> tuple[Answer, list[Message]]:
        answer = await self.ask(action)
        if action["Action"] == "PJSIPShowEndpoints":
            phones = [Message("EndpointList", {"ObjectName": name, "Auths": name}) for name in self.contexts]
            return answer, [*phones, Message("EndpointList", {"ObjectName": "carrier", "Auths": ""})]
        return answer, self._dialplan(action["Context"], action.get("Extension"))

    def _dialplan(self, context: str, number: str | None) -> list[Message]:
        if number is not None:
            ours = context in self.ours
            return (
                [extension(context, number, "Gosub", f"emergency,{number.replace('sos', '999')},1(x)")] if ours else []
            )
        if context == "emergency":
            return [
                extension(context, "_X.", "Dial", "PJSIP/x,60,b(emergency-leg^s^1)U(emergency-answered)"),
                extension(context, "_X.", "Goto", "next"),
                extension(context, "_X.", "Gosub", "emergency-tell,s,1"),
            ]
        if context == "emergency-tell":
            return [extension(context, "s", "UserEvent", "Emergency")]
        if context == "emergency-answered":
            return [extension(context, "s", "Set", "CHANNEL(hangup_handler_push)=emergency-ended,s,1")]
        if context == "emergency-leg":
            return [extension(context, "s", "Gosub", "emergency-leg-ended,s,1")]
        return [extension(context, "s", "Return")] if context.startswith("emergency-") else []

    async def heard(self, name: str) -> Message | None:
        return Message(name, {}) if name == "FullyBooted" else None

    async def reloaded(self, within_s: float) -> bool:
        self.looked.set()
        await self.reload.wait()
        self.reload.clear()
        if self.gone:
            raise SessionDown("closed")
        return True


class Bench:
    """A watch, its Asterisk, and what it told."""

    def __init__(self, tmp_path: Path) -> None:
        self.pbx = Pbx()
        self.now = 1_795_000_000_000
        self.kept: list[Record] = []
        self.alarms: dict[str, Condition] = {}
        self.news = asyncio.Event()
        self.spans: list[Span] = []
        self.sites: Sites | None = Sites(sites={"leeds": LEEDS}, networks={}, lines={})
        self.export = tmp_path / "addresses.csv"
        self.export.write_text("number,name,postcode,carrier,updated\n+441134960000,x,LS1 4AP,x,2026-11-01\n")
        ids = count()
        self.watch = Watch(
            connect=self.connect,
            subjects=Subjects(
                numbers=NUMBERS, prefixes=("9",), export=File(self.export), demands=Demands(stale_days=365)
            ),
            every_s=30,
            sites=lambda: self.sites,
            registered=lambda: self.spans,
            keep=self.kept.extend,
            report=self.report,
            clock=lambda: self.now,
            new_id=lambda: str(next(ids)),
        )

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Pbx]:
        yield self.pbx

    async def until(self, subject: str) -> None:
        """Until there is an alarm of this subject."""
        async with asyncio.timeout(60):
            while subject not in self.alarms:
                self.news.clear()
                await self.news.wait()

    def report(self, condition: Condition) -> None:
        self.news.set()
        if condition.what is None:
            self.alarms.pop(condition.subject, None)
        else:
            self.alarms[condition.subject] = condition

    async def look(self) -> None:
        """Until Asterisk was looked at, once more."""
        self.pbx.looked.clear()
        self.pbx.reload.set()
        async with asyncio.timeout(60):
            await self.pbx.looked.wait()

    def answers(self) -> dict[str, Reach]:
        return {phone.line: phone.reach for phone in self.watch.phones()}


@pytest.fixture
async def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    monkeypatch.setattr(watch, "RETRY_S", 0.01)
    bench = Bench(tmp_path)
    running = asyncio.create_task(bench.watch.run())
    async with asyncio.timeout(60):
        await bench.pbx.looked.wait()
    yield bench
    running.cancel()


def span(line: str, certainty: Certainty | None = Certainty.EXPECTED, site: str | None = "leeds") -> Span:
    return Span(
        id=line,
        contact=line,
        technology="PJSIP",
        line=line,
        ip="192.0.2.1",
        source=IpSource.SECURITY,
        transport="udp",
        device=Device(vendor="Yealink"),
        first_seen=1,
        last_seen=1,
        site=site,
        certainty=certainty,
    )


async def test_a_healthy_pbx_gives_no_alarm_but_that_of_the_number_nobody_knows(bench: Bench) -> None:
    assert list(bench.alarms) == ["trunk carrier"]
    state = bench.watch.state()
    assert (state.seen_at, dict(state.trunks)) == (bench.now, {"carrier": TrunkState.UP})
    assert {(path.context, path.verdict.value) for path in state.paths} == {("phones", "ours"), ("emergency", "ours")}


async def test_who_can_reach_999_with_the_right_address(bench: Bench) -> None:
    bench.spans = [span("201"), span("202", Certainty.MOVED), span("203")]
    assert bench.answers() == {"201": Reach.YES, "202": Reach.WRONG_ADDRESS, "203": Reach.UNSEEN}
    bench.pbx.contexts["203"] = "shop"
    await bench.look()
    assert bench.answers()["203"] is Reach.NO_PATH
    assert bench.alarms["context shop"].severity is Severity.CRITICAL
    bench.pbx.ours.add("shop")
    bench.export.write_text(bench.export.read_text().replace("LS1 4AP", "M1 1AE"))
    await bench.look()
    assert bench.answers()["203"] is Reach.WRONG_ADDRESS
    assert "another postcode" in (bench.alarms["site leeds"].what or "")
    assert dict(bench.watch.state().phones) == {Reach.WRONG_ADDRESS: 3}
    # Where no table says where phones are, nothing says that an address is right.
    bench.sites, bench.spans = None, [span("201", None, None)]
    bench.export.write_text("number,name,postcode,carrier,updated\n+441134960999,x,LS1 4AP,x,2026-11-01\n")
    await bench.look()
    assert bench.answers() == {"201": Reach.UNKNOWN_NETWORK}


async def test_phones_are_listed_again_only_when_asterisk_has_reloaded(bench: Bench) -> None:
    assert bench.pbx.asked.count("PJSIPShowEndpoints") == 1
    await bench.look()
    assert bench.pbx.asked.count("PJSIPShowEndpoints") == 2
    assert "PJSIPShowEndpoint" not in bench.pbx.asked


async def test_an_asterisk_that_cannot_be_asked_is_told_after_a_while(bench: Bench) -> None:
    bench.now += 120_000
    bench.pbx.gone = True
    bench.pbx.reload.set()
    await bench.until("watch")
    assert "nobody sees whether 999 still works: Asterisk does not answer" in (bench.alarms["watch"].what or "")
    bench.pbx.gone = False
    await bench.look()
    assert "watch" not in bench.alarms


async def test_without_the_right_to_look_it_says_which(bench: Bench) -> None:
    bench.now += 120_000
    bench.pbx.commands = ("Filter",)
    bench.pbx.gone = True
    bench.pbx.reload.set()
    await bench.until("watch")
    bench.alarms.clear()
    bench.pbx.gone = False
    await bench.until("watch")
    assert "write=system,reporting" in (bench.alarms["watch"].what or "")


async def test_phones_whose_context_is_not_seen_are_told(bench: Bench) -> None:
    bench.pbx.contexts["203"] = ""
    await bench.look()
    assert "one phone lands" in (bench.alarms["contexts not seen"].what or "")


async def test_a_dead_trunk_and_nobody_named_999(bench: Bench) -> None:
    bench.pbx.status = Reachability.UNREACHABLE
    await bench.look()
    assert bench.alarms["carrier"].severity is Severity.CRITICAL
    bench.watch(Lane.ORDINARY, [minimise(span("9999"))], 0.1)
    assert bench.alarms["line 9999"].severity is Severity.CRITICAL
    bench.watch(Lane.ORDINARY, [minimise(span("201"))], 0.1)
    assert "line 201" not in bench.alarms
