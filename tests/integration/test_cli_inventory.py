"""`telephony-agent inventory` and `notice`: with the configuration's own terms, and refused what is no name."""

import json
from pathlib import Path

import pytest

from tests.integration.commands import one_sentence, told


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "agent.toml").write_text(
        "[retention]\nemergency_days = 77\ncontent_user_days = 5\n[voicemail]\nspool_dir = 'spool'\nheard_days = 9\n"
    )
    return tmp_path


def test_the_notice_has_the_terms_of_this_configuration(folder: Path) -> None:
    done = told("notice", "--format", "text", "--provider", "Example Telecom", cwd=folder)
    assert done.returncode == 0
    assert done.stdout.startswith("What Example Telecom keeps")
    for term in ("77 days after the call", "5 days after the call", "9 days after you heard it"):
        assert term in done.stdout


def test_the_page_escapes_the_name(folder: Path) -> None:
    done = told("notice", "--format", "html", "--provider", "<script>alert(1)</script>", cwd=folder)
    assert "<script" not in done.stdout
    assert "&lt;script&gt;" in done.stdout


def test_the_inventory_for_programs_and_for_people(folder: Path) -> None:
    done = told("inventory", "--json", "--provider", "Example", cwd=folder)
    found = json.loads(done.stdout)
    assert found == json.loads(told("inventory", "--format", "json", "--provider", "Example", cwd=folder).stdout)
    assert found["controller"] == "Example"
    (emergency,) = (each for each in found["activities"] if each["name"] == "emergency")
    assert emergency["terms"][0]["term"] == "77 days"
    written = told("inventory", cwd=folder).stdout
    assert "## emergency" in written
    assert "Kept: 77 days after the call" in written


@pytest.mark.parametrize("command", ["inventory", "notice"])
@pytest.mark.parametrize("name", ["", "  ", "two\nlines", "a\x1b[31m", "x" * 201])
def test_what_is_no_name_is_refused(folder: Path, command: str, name: str) -> None:
    one_sentence(told(command, "--provider", name, cwd=folder), 2, "--provider")


def test_a_configuration_with_a_mistake_gives_no_notice(folder: Path) -> None:
    (folder / "agent.toml").write_text("[retention]\nemergency_days = 0\n")
    one_sentence(told("notice", cwd=folder), 2, "emergency_days")
