"""From the configuration to the purges of voicemail, and from there back to the records and alarms."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, AsyncExitStack
from typing import Any

from agent.config import Config
from agent.core.records import Cause, Purge, Severity
from agent.duties import voicemail
from agent.pipeline import Pipeline
from agent.ports import Reader, StoreError
from agent.sources.ami import LoginRefused, NotAmi, TlsRefused
from agent.sources.ami_inquiry import Inquiry, Unreachable

Login = Callable[[], AbstractAsyncContextManager[Inquiry]]


def parts(
    config: Config,
    pipeline: Pipeline,
    *,
    login: Login,
    reader: Callable[[], AbstractContextManager[Reader]],
    clock: Callable[[], int],
    new_id: Callable[[], str],
) -> dict[str, Callable[[], Coroutine[Any, Any, None]]]:
    """What runs for as long as the agent does, where a spool is configured; ``login`` makes one more session."""
    plan = _plan(config)
    if plan is None:
        return {}

    def report(cause: Cause, subject: str, what: str | None, severity: Severity) -> None:
        pipeline.put(pipeline.engine.condition(cause, subject, what, severity, clock()))

    agent = voicemail.Agent(
        connect=lambda: _connected(login),
        keep=pipeline.put,
        report=report,
        history=lambda: asyncio.to_thread(_history, reader),
        clock=clock,
        new_id=new_id,
    )
    return {"voicemail": lambda: voicemail.run(plan, agent)}


async def purge(
    config: Config,
    *,
    login: Login,
    clock: Callable[[], int],
    dry_run: bool,
    say: Callable[[voicemail.Report, int], None],
) -> voicemail.Report:
    """One purge beside the running agent, or without one; of Asterisk it is known what it says, if it can be asked.

    Raises:
        LookupError: no spool is configured.
        SpoolError: the spool cannot be used, or is being purged already.
    """
    plan = _plan(config)
    if plan is None:
        raise LookupError("no spool of voicemail is configured")
    order = voicemail.Order(spool=plan.spool, terms=plan.terms, at=clock(), dry_run=dry_run)
    async with AsyncExitStack() as session:
        pbx = None if dry_run else await voicemail.connected(lambda: _connected(login), session)
        return await voicemail.purge(order, voicemail.Asterisk(pbx, clock), say)


def _plan(config: Config) -> voicemail.Plan | None:
    wanted = config.voicemail
    if wanted.spool_dir is None:
        return None
    terms = voicemail.Terms(
        heard_days=wanted.heard_days,
        unheard_days=wanted.unheard_days,
        deleted_days=wanted.deleted_days,
        warn_days=wanted.warn_days,
    )
    return voicemail.Plan(spool=wanted.spool_dir, terms=terms, every_h=wanted.every_h, warn=wanted.warn == "message")


@contextlib.asynccontextmanager
async def _connected(login: Login) -> AsyncIterator[Inquiry]:
    """A login whose every failure is a ConnectionError."""
    try:
        async with login() as inquiry:
            yield inquiry
    except (LoginRefused, NotAmi, TlsRefused, Unreachable) as error:
        raise ConnectionError(str(error)) from None


def _history(reader: Callable[[], AbstractContextManager[Reader]]) -> Sequence[Purge]:
    """The purges on record; where these cannot be read the next one is due at once."""
    try:
        with reader() as records:
            return [record for record in records.read(Purge.KIND) if isinstance(record, Purge)]
    except StoreError:
        return []
