"""The forms that the agent watches are those that the dialplan answers."""

import re
from pathlib import Path

from agent.config import Config
from agent.core.numbers import forms

NUMBERS = Path(__file__).parents[2] / "dialplan" / "emergency-numbers.conf"


def test_every_form_that_is_watched_stands_in_the_dialplan_and_the_other_way_round() -> None:
    answered = set(re.findall(r"^exten => ([^_,]\S*?),1,", NUMBERS.read_text(), re.MULTILINE))
    emergency = Config().emergency
    assert set(forms(emergency.numbers, emergency.prefixes)) == answered
