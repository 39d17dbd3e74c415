"""The agent's own log: one line an event, ids and kinds, never a value that Asterisk sent."""

import logging
import sys
from typing import Any

import structlog

#: Libraries that log what passes through them; from these only that something is wrong, not with what.
_TALKATIVE = ("panoramisk", "asyncio", "aiosqlite", "uvicorn", "httpx", "httpcore")


def configure(level: str, form: str, *, stream: Any = None) -> None:
    """Send the log to ``stream`` (standard error), as ``json`` or ``console`` lines from ``level`` up."""
    stream = stream if stream is not None else sys.stderr
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _without_locals,
    ]
    colours = form == "console" and bool(getattr(stream, "isatty", lambda: False)())
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=colours)
        if form == "console"
        else structlog.processors.JSONRenderer(ensure_ascii=True)
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    # It logs whole messages, callers' names and numbers among them, and answers that it fails on.
    logging.getLogger("panoramisk").setLevel(logging.CRITICAL)


def _without_locals(_: Any, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """An exception's type and place, but not its text, which may quote what Asterisk sent."""
    info = event.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()
    if isinstance(info, BaseException):
        info = (type(info), info, info.__traceback__)
    if isinstance(info, tuple) and info[0] is not None:
        frame = info[2]
        while frame is not None and frame.tb_next is not None:
            frame = frame.tb_next
        event["exception"] = info[0].__name__
        if frame is not None:
            event["at"] = f"{frame.tb_frame.f_globals.get('__name__', '?')}:{frame.tb_frame.f_code.co_name}"
    return event
