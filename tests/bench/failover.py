"""How long after the first INVITE of a 999 call the second trunk has it, by what the first one does."""

from collections.abc import Iterable
from pathlib import Path

from tests.bench.calls import one_by_one
from tests.bench.figures import Figure, of_samples
from tests.lab.asterisk import Asterisk
from tests.lab.provision import installation
from tests.lab.sip import Phone, Trunk

REFUSALS = (400, 403, 404, 408, 480, 486, 488, 500, 503, 600, 603)
#: A trunk that says nothing costs 4 s each time.
_SLOW_CALLS = 3


async def measure(version: str, calls: int, folder: Path) -> Iterable[Figure]:
    """`failover_<code>` for each refusal, `failover_silent` and `failover_nobody`, on a trunk that is not qualified."""
    figures = []
    async with Asterisk(installation(version, print)) as lab:
        phone = Phone(lab, "201", local_ip="127.0.9.1")
        await phone.register()
        for name, answers, count in (
            *((str(code), code, calls) for code in REFUSALS),
            ("silent", None, min(calls, _SLOW_CALLS)),
        ):
            async with Trunk(lab, "trunk-a", answers=answers, ring_s=0):
                figures.append(await _figure(phone, name, count))
        figures.append(await _figure(phone, "nobody", min(calls, _SLOW_CALLS)))
    return figures


async def _figure(phone: Phone, name: str, calls: int) -> Figure:
    async with Trunk(phone.lab, "trunk-b", ring_s=0) as second:
        placed = await one_by_one(phone, "999", calls)
        reached = sorted(invite.at for invite in second.invites)
    late = [(at - call.invited_at) * 1000 for call, at in zip(placed, reached, strict=True)]
    return of_samples(f"failover_{name}", late)
