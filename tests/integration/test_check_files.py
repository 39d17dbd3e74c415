"""Asterisk's configuration files, read from a folder and from GetConfig's answer: the same sections, no secret."""

from pathlib import Path

import pytest

from agent.duties.check.evidence import Section
from agent.duties.check.files import merged, of_get_config, on_disk

CANARY = "canary-6f1d"

MANAGER = f"""
; read=all in a comment is none
[general]
enabled = yes
timestampevents => yes ; and a comment
bindaddr=127.0.0.1

;-- a block
[agent]
read=all
--;
[least](!)
secret={CANARY}
writetimeout=5000
[rights](!)
read = system,call,security,user
#include manager.d/*.conf
#tryinclude "missing.conf"
#exec /bin/echo [agent]
"""
AGENT = f"""[agent](least,rights)
secret=\\;{CANARY}
write=system,reporting
[agent](+)
eventfilter(name(UserEvent),header(UserEvent),method(starts_with)) = Emergency
eventfilter=!Event: VarSet
a line that is no setting
"""


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    (tmp_path / "manager.d").mkdir()
    (tmp_path / "manager.conf").write_text(MANAGER)
    (tmp_path / "manager.d" / "agent.conf").write_text(AGENT)
    return tmp_path


def test_includes_templates_and_additions_are_followed(etc: Path) -> None:
    sections = on_disk(etc, "manager.conf")
    assert sections is not None
    assert [section.name for section in sections] == ["general", "agent"]
    assert sections[0].items == (("timestampevents", "yes"), ("bindaddr", "127.0.0.1"))
    assert sections[1].items == (
        ("writetimeout", "5000"),
        ("read", "system,call,security,user"),
        ("write", "system,reporting"),
        ("eventfilter(name(UserEvent),header(UserEvent),method(starts_with))", "Emergency"),
        ("eventfilter", "!Event: VarSet"),
    )


def test_no_secret_is_taken_from_a_file_or_an_answer(etc: Path) -> None:
    assert CANARY not in repr(on_disk(etc, "manager.conf"))
    answer = {"Response": "Success", "Category-000000": "agent", "Line-000000-000000": f"secret={CANARY}"}
    assert of_get_config("manager.conf", answer) == [Section(name="agent")]


def test_the_answer_to_get_config_gives_the_same(etc: Path) -> None:
    answer = {
        "Response": "Success",
        "ActionID": "1",
        "Category-000000": "agent",
        "Templates-000000": "least,rights",
        "Line-000000-000000": f"secret={CANARY}",
        "Line-000000-000001": "writetimeout=5000",
        "Line-000000-000002": "read=system,call,security,user",
        "Line-000000-000003": "write=system,reporting",
        "Line-000000-000004": "eventfilter(name(UserEvent),header(UserEvent),method(starts_with))=Emergency",
        "Line-000000-000005": "eventfilter=!Event: VarSet",
    }
    assert of_get_config("manager.conf", answer) == [merged(on_disk(etc, "manager.conf") or [], "agent")]


def test_the_last_value_counts_and_sections_of_one_name_are_one() -> None:
    sections = [
        Section(name="a", items=(("read", "all"),)),
        Section(name="b"),
        Section(name="a", items=(("read", "call"),)),
    ]
    one = merged(sections, "a")
    assert one is not None
    assert one.get("read") == "call"
    assert merged(sections, "c") is None


def test_a_folder_without_the_file_or_with_bytes_in_it_shows_nothing(tmp_path: Path) -> None:
    assert on_disk(tmp_path, "manager.conf") is None
    (tmp_path / "manager.conf").write_bytes(b"[general]\n\xff\xfe=1\n")
    assert on_disk(tmp_path, "manager.conf") is None


def test_a_file_that_includes_itself_ends(tmp_path: Path) -> None:
    (tmp_path / "manager.conf").write_text("[general]\n#include manager.conf\ntimestampevents=yes\n")
    (section,) = on_disk(tmp_path, "manager.conf") or []
    assert section.yes("timestampevents", default=False)
