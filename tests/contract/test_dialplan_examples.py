"""The dialplan that the README gives an administrator is the one that the laboratory's PBX runs."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "dialplan" / "README.md").read_text()
PBX = (ROOT / "tests" / "lab" / "etc" / "extensions.conf").read_text()

#: Each example of the README that is a context of extensions.conf, by its name.
EXAMPLES = {
    block.partition("]")[0].strip().strip("["): re.sub(r"^    ", "", block, flags=re.M)
    for block in re.findall(r"^    \[\w[\w-]*\]\n(?:    .*\n)+", README, re.M)
}


@pytest.mark.parametrize("name", ["outbound", "internal", "incoming", "ordinary-incoming"])
def test_the_lab_runs_the_example(name: str) -> None:
    context = re.split(r"^\[", PBX.split(f"\n[{name}]\n")[1], flags=re.M)[0]
    heading, *lines = EXAMPLES[name].splitlines()
    assert heading == f"[{name}]"
    assert lines
    assert set(lines) <= set(context.splitlines())
