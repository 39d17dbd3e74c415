"""A few small rounds of every part of the torture; `make torture` goes on with them for as long as it is given."""

import random
from pathlib import Path

import pytest

from tests.torture.parts import ON_ASTERISK, PARTS
from tests.torture.rounds import carried_out, turn

ROUNDS = 1
SIZE = 0.1


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.asterisk if name in ON_ASTERISK else ()) for name in PARTS]
)
async def test_a_few_rounds(name: str, tmp_path: Path) -> None:
    seed = random.randrange(1 << 30)
    print(f"seed {seed}: make torture ONLY={name} SEED={seed} plays more of them, larger")
    async with PARTS[name](tmp_path) as torment:
        for number in range(ROUNDS):
            place = tmp_path / f"round-{number}"
            place.mkdir()
            print(dict(await carried_out(torment, turn(seed, name, number, size=SIZE, folder=place))))
