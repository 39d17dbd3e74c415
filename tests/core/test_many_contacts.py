"""Very many phones: what one step does to them, and what is kept of each, in counts."""

import gc
import sys
from dataclasses import replace
from itertools import count

from agent.core.engine import Engine
from agent.core.normalise import Linker
from agent.core.policy import Policy
from agent.core.records import Registration
from agent.core.wire import Message, parse
from tests.lab.events import made

NOON = 1_795_348_800_000
EXPIRES = NOON // 1000 + 3600
LISTED = Message("ContactStatusDetailComplete", {})


def with_phones(phones: int) -> Engine:
    ids = count()
    engine = Engine(policy=Policy(), link=Linker(b"salt"), new_id=lambda: f"{next(ids):016x}")
    listed(engine, range(phones))
    return engine


def listed(engine: Engine, phones: range) -> list[Registration]:
    heard = [parse(made(number).described(EXPIRES)) for number in phones]
    outputs = [output for message in heard for output in engine.hear(message, NOON)]
    found = [output for output in outputs if isinstance(output, Registration)]
    assert len(found) == len(outputs), "what a list describes is not asked about again"
    return found


def ended(outputs: list[object]) -> list[str]:
    assert all(isinstance(output, Registration) and output.ended_at == NOON + 1 for output in outputs)
    return [output.line for output in outputs if isinstance(output, Registration)]


def test_a_list_of_the_same_phones_again_is_nothing_to_store() -> None:
    engine = with_phones(50)
    engine.synchronise()
    assert listed(engine, range(50)) == []
    assert list(engine.hear(LISTED, NOON)) == []


def test_phones_that_are_gone_are_ended_in_steps_that_an_emergency_can_come_between() -> None:
    engine = with_phones(2_500)
    engine.synchronise()
    listed(engine, range(10))
    steps = [ended(list(engine.hear(LISTED, NOON + 1)))]
    # One that comes back before its turn was never away.
    assert listed(engine, range(2_490, 2_500)) == []
    while step := ended(list(engine.tick(NOON + 2))):
        steps.append(step)
    assert max(map(len, steps)) <= 1_000
    assert sorted(line for step in steps for line in step) == sorted(made(n).line for n in range(10, 2_490))
    assert len(engine.registrar.spans) == 20


def test_another_reconnect_begins_the_ending_anew() -> None:
    engine = with_phones(2_500)
    engine.synchronise()
    list(engine.hear(LISTED, NOON + 1))
    engine.synchronise()
    assert list(engine.tick(NOON + 2)) == [], "nobody knows yet what is gone"
    assert listed(engine, range(2_000, 2_500)) == []


def test_a_phone_is_few_objects() -> None:
    gc.collect()
    before = len(gc.get_objects())
    engine = with_phones(1_000)
    gc.collect()
    # Its span and what joins requests to it; all else is text and numbers, which the collector does not look through.
    assert len(gc.get_objects()) - before <= 2 * 1_000 + 100
    spans = list(engine.registrar.spans.values())
    assert len({id(span.device) for span in spans}) == 1, "phones of a make share it"
    assert sum(map(sys.getsizeof, spans)) <= 150 * 1_000


def test_phones_taken_up_from_the_store_share_what_is_common() -> None:
    first = with_phones(0)
    kept = listed(first, range(20))
    # As the store gives them back, each text its own object.
    read = [
        replace(record, vendor=str(record.vendor.encode(), "ascii"), model=f"{record.model} "[:-1]) for record in kept
    ]
    again = with_phones(0)
    again.restore(read)
    spans = list(again.registrar.spans.values())
    assert [span.device for span in spans] == [span.device for span in first.registrar.spans.values()]
    for shared in ("device", "technology", "transport"):
        assert len({id(getattr(span, shared)) for span in spans}) == 1, shared
