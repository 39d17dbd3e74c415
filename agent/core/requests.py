"""The clock of a customer's request: one month, which stands still while the customer is asked something.

The time is that of UK GDPR article 12(3), counted as the ICO says: from the day of receipt to the day of the same
number in the next month, or the last day of a month that has none. It ends an hour before that day does in UTC, for in
summer the day is over by then in the United Kingdom. A weekend or a bank holiday moves nothing: the agent knows no
calendar of them, and to be early is allowed.
"""

from calendar import monthrange
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from agent.core.records import Asks, Pause, Request, RequestOutcome, Waits

MONTHS, EXTENDED_MONTHS = 1, 3

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


def term_end(received_at: int, months: int) -> int:
    """The last instant (ms) at which a request of ``received_at`` (ms) is answered within ``months``.

    Raises:
        OverflowError: it is past the year 9999.
    """
    day = (_EPOCH + received_at * _MS).date()
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    if year > 9999:
        raise OverflowError("past the year 9999")
    last = monthrange(year, month + 1)[1]
    end = datetime(year, month + 1, min(day.day, last), 23, tzinfo=UTC)
    return (end - _EPOCH) // _MS - 1


def opened(id: str, account: str, asks: Asks, received_at: int, by: str, at: int) -> Request:
    """A request that ``by`` writes down at ``at`` (ms).

    Raises:
        ValueError: it was received later than now.
    """
    if received_at > at:
        raise ValueError("a request cannot be received later than now")
    return _timed(Request(id=id, account=account, asks=asks, received_at=received_at, opened_by=by, due_at=None))


def identified(request: Request, how: str, by: str, at: int) -> Request:
    """``request``, once ``by`` has checked who asks; where the time stood still for that, it goes on.

    Raises:
        ValueError: it is closed, or was checked before.
    """
    _open(request)
    if request.identity is not None:
        raise ValueError("who asks was checked already")
    checked = replace(request, identity=how, identity_at=at, identity_by=by)
    return resumed(checked, at) if checked.waits_for is Waits.IDENTITY else checked


def paused(request: Request, waits_for: Waits, at: int) -> Request:
    """``request``, whose time stands still from ``at`` (ms) until the customer has said what is needed.

    Raises:
        ValueError: it is closed, it stands still already, or who asks was checked before.
    """
    _open(request)
    if request.waits_for is not None:
        raise ValueError(f"its time stands still already, for {request.waits_for}")
    if waits_for is Waits.IDENTITY and request.identity is not None:
        raise ValueError("who asks was checked already")
    if at > (request.due_at or at):
        raise ValueError("its time is over, so it cannot stand still any more")
    return _timed(replace(request, pauses=(*request.pauses, Pause(paused_at=at)), waits_for=waits_for))


def resumed(request: Request, at: int) -> Request:
    """``request``, whose time goes on.

    Raises:
        ValueError: it is closed, or its time does not stand still.
    """
    _open(request)
    if request.waits_for is None:
        raise ValueError("its time runs")
    return _timed(replace(request, pauses=_ended(request.pauses, at), waits_for=None))


def extended(request: Request, why: str, at: int) -> Request:
    """``request``, with the two months more that a complex one, or one of many, may take.

    Raises:
        ValueError: it is closed, was extended before, or its month is over.
    """
    _open(request)
    if request.extended_at is not None:
        raise ValueError("it was extended already, and can be only once")
    if at > (request.due_at or at):
        raise ValueError("its month is over: the customer must be told of an extension within it")
    return _timed(replace(request, extended_at=at, extension=why))


def closed(request: Request, outcome: RequestOutcome, answer: str, by: str, at: int) -> Request:
    """``request``, answered.

    Raises:
        ValueError: it is closed already, or is granted to somebody of whom nobody has checked who it is.
    """
    _open(request)
    if outcome in (RequestOutcome.GRANTED, RequestOutcome.PARTLY) and request.identity is None:
        raise ValueError("nobody has checked who asks")
    pauses = request.pauses if request.waits_for is None else _ended(request.pauses, at)
    ended = _timed(replace(request, pauses=pauses, waits_for=None))
    return replace(ended, closed_at=max(at, request.received_at), closed_by=by, outcome=outcome, answer=answer)


def overdue(request: Request, at: int) -> bool:
    """Whether it should have been answered before ``at`` (ms)."""
    return request.closed_at is None and request.due_at is not None and at > request.due_at


def stood_still_ms(request: Request) -> int:
    """How long its time has stood still, as far as that is over."""
    return sum(max(0, pause.resumed_at - pause.paused_at) for pause in request.pauses if pause.resumed_at is not None)


def _timed(request: Request) -> Request:
    if request.waits_for is not None:
        return replace(request, due_at=None)
    months = MONTHS if request.extended_at is None else EXTENDED_MONTHS
    return replace(request, due_at=term_end(request.received_at, months) + stood_still_ms(request))


def _ended(pauses: tuple[Pause, ...], at: int) -> tuple[Pause, ...]:
    # A clock that was set back ends it where it began.
    return (*pauses[:-1], replace(pauses[-1], resumed_at=max(at, pauses[-1].paused_at)))


def _open(request: Request) -> None:
    if request.closed_at is not None:
        raise ValueError("it is closed")
