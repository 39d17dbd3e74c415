"""What people ask of the running agent about legal holds, and about the purge that these keep things from."""

from collections.abc import AsyncIterator
from typing import Annotated, Literal, Protocol

from fastapi import FastAPI, Request, Response
from pydantic import Field

from agent.core.holds import Order
from agent.core.records import Hold, Kept, document
from agent.views import asking
from agent.views.asking import Answer, Asked, Endpoint, Id, Words

#: Instants past it have no RFC 3339 form.
_LAST_MS = 253_402_300_799_999
_Instant = Annotated[int, Field(ge=0, le=_LAST_MS)]
_MOST_LINES = 1000


class HoldControls(Protocol):
    """What the running agent does on request; each raises `agent.views.asking.Refusal`, or StoreError where it could
    not be stored. ``by`` is who asks; ``id`` is the beginning of an id; instants are ms since 1970.
    """

    async def place(self, order: Order, by: str) -> Hold:
        """Nothing of this goes from now on; it is stored durably on return."""

    async def review(self, id: str, review_at: int, by: str) -> Hold:
        """The hold is needed on, and is to be reviewed again; it is stored durably on return."""

    async def lift(self, id: str, why: str, by: str) -> Hold:
        """What the hold kept goes by its term again; it is stored durably on return."""

    def listed(self, reason: str, by: str, *, lifted: bool) -> AsyncIterator[Answer]:
        """The holds that stand, oldest first, with ``lifted`` all; who asks, and why, is stored durably first."""


class PurgeControls(Protocol):
    """What the running agent does on request; each raises StoreError where the store refuses."""

    def purge(self, by: str) -> AsyncIterator[Answer]:
        """Delete what is due now; what went, by kind and class, at the end whether the store's log was emptied.

        An empty answer says that it goes on.
        """


class _Place(Asked):
    account: Words | None = Field(None, description="an account's reference")
    lines: Annotated[list[Endpoint], Field(max_length=_MOST_LINES)] = Field(
        [], description=f"up to {_MOST_LINES} names of endpoints"
    )
    kinds: Annotated[list[Literal["calls", "registrations", "emergencies", "recordings"]], Field(min_length=1)] = Field(
        description="one or more of calls, registrations, emergencies, recordings"
    )
    from_at: _Instant | None = Field(None, description="milliseconds since 1970")
    until_at: _Instant | None = Field(None, description="milliseconds since 1970")
    authority: Words
    reference: Words
    reviewer: Words
    review_at: _Instant = Field(description="milliseconds since 1970")


class _Review(Asked):
    id: Id
    review_at: _Instant = Field(description="milliseconds since 1970")


class _Lift(Asked):
    id: Id
    why: Words


class _List(Asked):
    reason: Words
    lifted: bool = Field(False, description="true or false")


def add(app: FastAPI, controls: HoldControls, purging: PurgeControls) -> None:
    """The routes of holds and of the purge, for ``app`` (`agent.views.control.application`)."""

    @app.post("/holds/place")
    async def _place(request: Request) -> Response:
        asked, by = await asking.read(request, _Place)
        order = Order(
            account=asked.account,
            lines=tuple(asked.lines),
            kinds=tuple(Kept(kind) for kind in asked.kinds),
            from_at=asked.from_at,
            until_at=asked.until_at,
            authority=asked.authority,
            reference=asked.reference,
            reviewer=asked.reviewer,
            review_at=asked.review_at,
        )
        return asking.whole(document(await controls.place(order, by)))

    @app.post("/holds/review")
    async def _review(request: Request) -> Response:
        asked, by = await asking.read(request, _Review)
        return asking.whole(document(await controls.review(asked.id, asked.review_at, by)))

    @app.post("/holds/lift")
    async def _lift(request: Request) -> Response:
        asked, by = await asking.read(request, _Lift)
        return asking.whole(document(await controls.lift(asked.id, asked.why, by)))

    @app.post("/holds/list")
    async def _list(request: Request) -> Response:
        asked, by = await asking.read(request, _List)
        return await asking.several(controls.listed(asked.reason, by, lifted=asked.lifted))

    @app.post("/purge")
    async def _purge(request: Request) -> Response:
        _, by = await asking.read(request, Asked)
        return await asking.several(purging.purge(by))
