"""Notes for call backs: gone from Asterisk's database when their time is over, and none before."""

import random
from dataclasses import replace

import pytest

from agent.duties.callbacks import clear
from agent.sources.ami import Address, AmiSource, Credentials
from tests.integration.ami_ear import QUICK, SEED, WANTED, Ear, running
from tests.integration.fake_asterisk import SECRET, Action, FakeAsterisk, Peer, event, list_of, response

HOUR = 3_600_000
NOON = 1_795_348_800_000


def key(hours_ago: float, call: int) -> str:
    return f"+441134960000/{(NOON - hours_ago * HOUR) / 1000:.3f}-1795.{call}"


async def cleared(notes: dict[str, str], denied: str = "") -> tuple[int, dict[str, str]]:
    """How many a clearing removes of these, and what is left of them."""

    def tree(peer: Peer, action: Action) -> list[bytes]:
        if action["Family"] != "emergency-callback" or not notes:
            return [response(action, "Error", "Message: Database entry not found")]
        rows = [event("DBGetTreeResponse", Key=f"/emergency-callback/{name}", Val=note) for name, note in notes.items()]
        return list_of(action, "DBGetTreeComplete", *rows)

    def delete(peer: Peer, action: Action) -> list[bytes]:
        assert action["Family"] == "emergency-callback"
        if denied == "DBDel":
            return [response(action, "Error", "Message: Permission denied")]
        return [response(action, "Success" if notes.pop(action["Key"], None) else "Error", "Message: done")]

    ear = Ear()
    async with FakeAsterisk() as fake:
        fake.replies |= {"DBGetTree": tree, "DBDel": delete}
        source = AmiSource(
            address=Address(host="127.0.0.1", port=fake.port),
            credentials=Credentials(username="agent", secret=SECRET),
            wanted=WANTED,
            listener=ear,
            clock=lambda: NOON,
            timing=replace(QUICK),
            chance=random.Random(SEED),
        )
        async with running(source.run()):
            await ear.until(lambda: source.in_step)
            return await clear(source.bulk, 3 * HOUR, NOON), notes


async def test_what_has_outlived_its_time_goes_and_nothing_else() -> None:
    notes = {key(3.5, 1): "PJSIP/201|203.0.113.7|999", key(2.5, 2): "PJSIP/202||112", key(80, 3): "PJSIP/203||999"}
    assert await cleared(notes) == (2, {key(2.5, 2): "PJSIP/202||112"})


async def test_what_the_dialplan_may_be_looking_at_just_now_stays() -> None:
    assert (await cleared({key(3.01, 1): "PJSIP/201||999"}))[0] == 0


@pytest.mark.parametrize("odd", ["", "x", "+44113/x-1", "+44113/-1", "+44113/²-1", f"+44113/{'9' * 30}-1", "+44/1.x-2"])
async def test_what_no_dialplan_of_ours_wrote_stays(odd: str) -> None:
    assert await cleared({odd: "PJSIP/201||999"}) == (0, {odd: "PJSIP/201||999"})


async def test_an_empty_database_and_a_missing_right_are_no_error() -> None:
    assert await cleared({}) == (0, {})
    notes = {key(5, 1): "PJSIP/201||999"}
    assert await cleared(notes, denied="DBDel") == (0, notes)
