"""Mail, chat, SMS and pagers by Apprise."""

import asyncio
import contextlib
import logging
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import TypeAlias

from apprise import Apprise, AppriseAsset, NotifyFormat, NotifyType
from apprise.plugins import NotifyBase

from agent.core.records import Alarm, Notice, Severity
from agent.ports import ChannelError, Receipt, Text

# They log URLs with their passwords, whom is written to, and what.
logging.getLogger("apprise").disabled = True
for _name in ("urllib3", "requests", "requests_oauthlib", "oauthlib"):
    logging.getLogger(_name).setLevel(logging.CRITICAL + 1)

#: Notices of which some URLs have taken one and others have not.
_MOST_PARTLY = 100

#: Calls that have not come back, of one URL.
_MOST_STUCK = 3

#: Of one notice the title and body that each URL took last.
_Taken: TypeAlias = "dict[_Target, tuple[str, str]]"


class AppriseChannel:
    """An `agent.ports.Channel` of one URL or more; a notice counts as sent when each has taken it.

    Raises:
        ValueError: a URL that Apprise does not understand.
    """

    def __init__(self, urls: Sequence[str], *, most_characters: int) -> None:
        self._targets = [_Target(url) for url in urls]
        self._most = most_characters
        self._taken: OrderedDict[str, _Taken] = OrderedDict()

    async def send(self, text: Text, alarm: Alarm, notice: Notice) -> Receipt:
        """Tell those URLs that have not taken this notice in these words yet, all at once; see `agent.ports.Channel`.

        So while one URL hangs, another hears what becomes of the alarm meanwhile, which no other notice tells.
        """
        taken = self._taken.setdefault(notice.id, {})
        if len(self._taken) > _MOST_PARTLY:
            self._taken.popitem(last=False)
        title = " ".join(text.title.split())[:200]
        body = text.body[: self._most]
        kind = NotifyType.FAILURE if alarm.severity is Severity.CRITICAL else NotifyType.WARNING
        left = [target for target in self._targets if taken.get(target) != (title, body)]
        told = await asyncio.gather(*(target.tell(title, body, kind, taken) for target in left), return_exceptions=True)
        for failure in told:
            if failure is not None:
                raise failure
        self._taken.pop(notice.id, None)
        return Receipt.SENT


class _Target:
    """One URL. Its plug-in is called in a thread of its own: it may block, and Apprise's own pool is shared by all."""

    def __init__(self, url: str) -> None:
        asset = AppriseAsset(
            app_id="telephony-agent",
            app_desc="999 desk",
            app_url="",
            image_url_mask=None,
            image_url_logo=None,
            async_mode=False,
            service_timeout=0,
            storage_mode="memory",
            pgp_autogen=False,
            pem_autogen=False,
        )
        service = Apprise.instantiate(url, asset=asset)
        if service is None:
            raise ValueError("no URL that Apprise understands")
        if service.request_rate_per_sec == NotifyBase.request_rate_per_sec:
            # Apprise's courtesy to services that ask for none: 5.5 s between two notices, whatever they are about.
            service.request_rate_per_sec = 0
        self._apprise = Apprise(services=service, asset=asset)
        self._under_way = 0

    async def tell(self, title: str, body: str, kind: NotifyType, taken: _Taken) -> None:
        """Tell it, and note in ``taken`` what it took once it has: also when nobody waits for that any more.

        Raises:
            ChannelError: ``failed`` (Apprise tells no more), or ``stuck`` when earlier calls never came back.
        """
        if self._under_way >= _MOST_STUCK:
            raise ChannelError("stuck")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[bool] = loop.create_future()

        def settle(well: bool) -> None:
            self._under_way -= 1
            if well:
                taken[self] = title, body
            if not done.done():
                done.set_result(well)

        def notify() -> None:
            well = False
            try:
                well = bool(self._apprise.notify(body, title, notify_type=kind, body_format=NotifyFormat.TEXT))
            except Exception:  # noqa: BLE001 - whatever a plug-in raises, its text may hold what it was to send
                well = False
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(settle, well)

        threading.Thread(target=notify, name="apprise", daemon=True).start()
        self._under_way += 1  # Only now: a thread that could not be started does not come back.
        if not await done:
            raise ChannelError("failed")
