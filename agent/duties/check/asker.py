"""One login to Asterisk as the check uses it: what it may ask, and where it reads configuration files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from agent.core.wire import Message
from agent.duties.check import files
from agent.duties.check.evidence import Section


class Reply(Protocol):
    """Asterisk's answer to one action."""

    @property
    def ok(self) -> bool:
        """Whether it is a Success."""

    @property
    def message(self) -> str:
        """Why not."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The first of each key."""


class Pbx(Protocol):
    """One login to Asterisk. Each call raises ConnectionError or TimeoutError when Asterisk is gone."""

    async def ask(self, action: Mapping[str, str]) -> Reply:
        """One action and its answer."""

    async def ask_list(
        self, action: Mapping[str, str], complete: str, items: frozenset[str]
    ) -> tuple[Reply, list[Message]]:
        """An action answered by events up to ``complete``; those named in ``items``."""

    async def heard(self, name: str) -> Message | None:
        """The first event of this name that came by itself, waited for shortly."""


class Asker:
    """The main login, and what it may do; a file that it may not read is looked for in the folder."""

    def __init__(self, pbx: Pbx, etc: Path | None, commands: frozenset[str], *, private: bool) -> None:
        self.pbx = pbx
        self.commands = commands
        #: Nobody overhears: without it nothing is asked whose answer holds passwords, kept here or not.
        self.private = private
        self._etc = etc

    def may(self, action: str) -> bool:
        return action in self.commands

    async def sections(self, file: str, **which: str) -> list[Section] | None:
        """Sections of a file, over AMI those that ``which`` selects; None where it cannot be read."""
        if self.private and self.may("GetConfig"):
            answer = await self.pbx.ask({"Action": "GetConfig", "Filename": file, **which})
            if answer.ok:
                return files.of_get_config(file, answer.headers)
        return files.on_disk(self._etc, file) if self._etc is not None else None

    async def section(self, file: str, name: str, absent: Section | None = None) -> Section | None:
        """One section; ``absent`` if the file could be read and has no such section."""
        sections = await self.sections(file, Category=name)
        return None if sections is None else files.merged(sections, name) or absent


async def commands_of(pbx: Pbx) -> frozenset[str]:
    answer = await pbx.ask({"Action": "ListCommands"})
    return frozenset(key for key, value in answer.headers.items() if "(Priv:" in value)
