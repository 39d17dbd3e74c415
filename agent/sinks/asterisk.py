"""Alarms told by Asterisk itself, over AMI: a SIP MESSAGE, or a phone that rings until somebody answers."""

import base64

from agent.core.records import Alarm, Notice
from agent.ports import Asker, ChannelError, Receipt, Reply, Text

#: Asterisk refuses an AMI line over 1,024 bytes, and base64 makes four of three; a SIP MESSAGE goes in one datagram.
_MOST_BYTES = 720

#: After the phone's own time limit, for Asterisk to say how it went.
GRACE_S = 3.0

#: OriginateResponse's ``Reason`` (16 and 22: every refusal, an unregistered phone too, is 0).
_REASONS = {"3": "unanswered", "5": "busy", "8": "congested"}


class Message:
    """An `agent.ports.Channel`: a SIP MESSAGE to the PJSIP endpoint ``endpoint`` (write class ``message``).

    Asterisk (16 and 22) says at once whether the phone is registered, but never whether it took the message.
    """

    def __init__(self, asterisk: Asker, endpoint: str, *, most_characters: int) -> None:
        self._asterisk = asterisk
        self._endpoint = endpoint
        self._most = most_characters

    async def send(self, text: Text, alarm: Alarm, notice: Notice) -> Receipt:  # noqa: ARG002
        """Have it sent; see `agent.ports.Channel`."""
        words = f"{text.title}\n{text.body}"[: self._most].encode()[:_MOST_BYTES].decode(errors="ignore")
        action = {
            "Action": "MessageSend",
            "To": f"pjsip:{self._endpoint}",
            "From": '"999 desk" <sip:desk@localhost>',
            # One AMI line, whatever the text holds.
            "Base64Body": base64.b64encode(words.encode()).decode(),
        }
        await _asked(self._asterisk, action)
        return Receipt.SENT


class Ring:
    """An `agent.ports.Channel`: ``endpoint``, or ``number`` over the trunk ``endpoint``, rings for ``ring_s`` and shows
    the name ``caller``; who answers hears the sound file ``sound`` three times (write class ``originate``, read class
    ``call`` for how it went).
    """

    def __init__(
        self, asterisk: Asker, endpoint: str, *, number: str | None, caller: str, ring_s: int, sound: str
    ) -> None:
        self._asterisk = asterisk
        self._ring_s = ring_s
        self._action = {
            "Action": "Originate",
            "Channel": f"PJSIP/{number}@{endpoint}" if number else f"PJSIP/{endpoint}",
            "Application": "Playback",
            "Data": "&".join([sound] * 3),
            "Async": "true",
            # No number: who presses redial must not call one.
            "CallerID": f'"{caller}" <>',
            "Timeout": str(ring_s * 1000),
        }

    async def send(self, text: Text, alarm: Alarm, notice: Notice) -> Receipt:  # noqa: ARG002
        """Let it ring; that somebody answered says that it was received. See `agent.ports.Channel`."""
        reply = await _asked(self._asterisk, self._action, complete="OriginateResponse", limit_s=self._ring_s + GRACE_S)
        if reply.headers.get("Response") != "Success":
            raise ChannelError(_REASONS.get(reply.headers.get("Reason", ""), "refused"))
        return Receipt.DELIVERED


async def _asked(asterisk: Asker, action: dict[str, str], complete: str = "", limit_s: float | None = None) -> Reply:
    try:
        if complete:
            reply = await asterisk.ask_list(action, complete, limit_s)
        else:
            reply = await asterisk.ask(action)
    except ConnectionError:
        raise ChannelError("pbx_down") from None
    except ValueError:
        raise ChannelError("unfit") from None
    if not reply.ok:
        raise ChannelError("denied" if "denied" in reply.message.lower() else "refused")
    return reply
