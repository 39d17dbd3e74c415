"""`/metrics` beside a real Asterisk: what its calls, its trunks and its dialplan are called there."""

from prometheus_client.parser import text_string_to_metric_families

from tests.lab.agent import AgentProcess
from tests.lab.asterisk import Asterisk
from tests.lab.conversation import Dial, Say
from tests.lab.recorded import Office
from tests.lab.sip import Callee, Phone, Talk, Trunk, trunk_call

YEALINK = "Yealink SIP-T46U 108.86.0.45"


def scraped(agent: AgentProcess) -> dict[tuple[str, ...], float]:
    """Every sample by its name and the values of its labels, sorted."""
    families = text_string_to_metric_families(agent.get("/metrics")[1])
    samples = [sample for family in families for sample in family.samples]
    return {(sample.name, *sorted(sample.labels.values())): sample.value for sample in samples}


async def test_a_call_that_fails_over_and_the_way_of_the_next(lab: Asterisk, agent: AgentProcess) -> None:
    def counted(*key: str) -> float | None:
        return scraped(agent).get(key)

    # before the call: the trunks are known by name, and so is what 999 would do
    attempts = "telephony_emergency_trunk_attempts_total"
    await agent.until(lambda: counted(attempts, "refused", "trunk-a") == 0, "the trunks' names")
    phone = Phone(lab, "201", user_agent=YEALINK, local_ip="127.0.5.1")
    await phone.register()
    async with Trunk(lab, "trunk-a", answers=503), Trunk(lab, "trunk-b"):
        await phone.call("999", steps=[Talk(0.5)])
    await agent.until(lambda: counted("telephony_emergencies_total", "answered", "dialplan", "false") == 1, "the call")
    found = scraped(agent)
    tried = {key[1:]: value for key, value in found.items() if key[0] == attempts and value}
    assert tried == {
        ("tried", "trunk-a"): 1,
        ("refused", "trunk-a"): 1,
        ("tried", "trunk-b"): 1,
        ("answered", "trunk-b"): 1,
    }
    assert found["telephony_emergency_failovers_total",] == 1
    assert found["telephony_emergency_ring_seconds_count",] == 1
    assert found["telephony_emergency_first_trunk_seconds_count",] == 1
    assert found["telephony_emergency_first_trunk_seconds_bucket", "1.0"] == 1
    assert found["telephony_alarms_open", "critical", "emergency"] == 1
    assert found["telephony_journal_entries_recovered_total",] == 0
    assert found["telephony_emergency_strange_events_total",] == 0
    assert found["telephony_paths", "ours"] > 0
    assert found["telephony_probe_late_after_seconds",] > 0
    await agent.until(lambda: scraped(agent)["telephony_probe_timestamp_seconds",] > 0, "a probe")


async def test_what_the_journal_tells_is_counted_as_recovered(lab: Asterisk, agent: AgentProcess) -> None:
    phone = Phone(lab, "201", user_agent=YEALINK, local_ip="127.0.5.1")
    await phone.register()
    await agent.kill()
    async with Trunk(lab, "trunk-a"):
        await phone.call("999", steps=[Talk(0.5)])
    await agent.start()

    def counted(*key: str) -> float | None:
        return scraped(agent).get(key)

    await agent.until(lambda: counted("telephony_emergencies_total", "answered", "false", "journal") == 1, "the call")
    assert (counted("telephony_journal_entries_recovered_total") or 0) >= 4
    await agent.until(lambda: counted("telephony_journal_entries_waiting") == 0, "a journal that is drained")


async def test_a_call_back_that_is_taken_and_one_that_is_not(lab: Asterisk, agent: AgentProcess) -> None:
    def counted(*key: str) -> float | None:
        return scraped(agent).get(key)

    await lab.cli('dialplan set global EMERGENCY_CLI_trunk-a "+441134960209"')
    phone = Phone(lab, "201", user_agent=YEALINK, local_ip="127.0.5.1")
    await phone.register()
    async with Trunk(lab, "trunk-a"):
        await phone.call("999", steps=[Talk(0.1)])
    async with Callee(phone):
        await trunk_call(lab, "trunk-a", "01134960209", steps=[Talk(0.3)])
    await agent.until(lambda: counted("telephony_emergency_callbacks_reached_total") == 1, "who was reached")
    assert counted("telephony_emergency_callbacks_missed_total") == 0
    async with Callee(phone, answers=486):
        await trunk_call(lab, "trunk-a", "01134960209", expect=404)
    await agent.until(lambda: counted("telephony_emergency_callbacks_missed_total") == 1, "who was not")
    assert counted("telephony_emergency_callbacks_reached_total") == 1


async def test_what_was_asked_for_what_was_not_and_who_used_it(office: Office) -> None:
    def counted(*key: str) -> float | None:
        return scraped(office.agent).get(key)

    await office.opt_in("203", "service", "all")
    async with office.call_up("201", "202", [Say(1), Dial("*31"), Say(30)]):
        granted = await office.agent.one("recording", opted_in=True, state="recording")
        await office.agent.until(lambda: counted("telephony_recordings_running", "code") == 1, "one that runs")
        (channel,) = [row["Channel"] for row in await office.lab.channels() if row["Channel"].startswith("PJSIP/202-")]
        await office.lab.cli(f"mixmonitor start {channel} unasked.wav")
        await office.agent.one("content", state="shredded", reason="unasked")
        await office.command("recording", "stop", granted["id"])
        await office.exported(await office.kept())
    await office.agent.until(lambda: counted("telephony_recording_accesses_total", "exported") == 1, "who used it")
    found = scraped(office.agent)
    assert found["telephony_recording_grants_total",] == 1
    assert found["telephony_recording_optins_standing", "service"] == 1
    assert found["telephony_recording_contents_kept_total", "user"] == found["telephony_recordings_sealed_total",] == 1
    assert found["telephony_recordings_unasked_total",] == 1
    assert found["telephony_recording_unasked_stop_seconds_count",] == 1
    assert found["telephony_recording_contents_gone_total", "shredded", "unasked"] == 1
    assert found["telephony_recordings_unasked_undestroyed_total",] == 0
    ready = ("vault_usable", "door_open", "monitor_in_memory", "keeping")
    assert {name: found[f"telephony_recording_{name}",] for name in ready} == dict.fromkeys(ready, 1)
    assert (
        found["telephony_recording_free_bytes", "monitor"] > found["telephony_recording_free_needed_bytes", "monitor"]
    )
