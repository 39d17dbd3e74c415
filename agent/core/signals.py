"""What was heard, typed: still personal, so it lives only for the step that turns it into a record.

``at`` is the event's own time in ms since 1970 UTC. ``channel``, ``linked`` and ``contact`` are keyed hashes of
Uniqueid, Linkedid and a contact's AOR and URI: the core tells channels apart without knowing them. ``line`` is the
endpoint's name out of a channel's name (``PJSIP/201-0000001a`` is line ``201``), None for ``Local/…``.
``contact_id`` is Asterisk's own name for a PJSIP contact, ``<AOR>;@<MD5 of its URI in hex>``, and ``name`` that of a
channel: to ask again with, in memory only.
"""

from dataclasses import dataclass
from enum import StrEnum

from agent.core.records import Calls, Trigger


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """Something heard at ``at``."""

    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OfRegistration(Signal):
    """Something of a registration, or of what may come to be one: no call and no recording changes by it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Booted(Signal):
    """Asterisk greets a new session as fully booted: what was known may be out of date."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactHeard(OfRegistration):
    """A contact was added, changed or (``gone``) removed; ``ip`` is what its URI says.

    ``qualified``: Asterisk tells whether it answers OPTIONS, which it asks registered and configured contacts alike.
    """

    line: str
    contact: str
    contact_id: str
    ip: str | None
    transport: str | None
    gone: bool
    qualified: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactDescribed(OfRegistration):
    """A contact as Asterisk lists it; ``via_ip`` is the phone's own topmost Via, perhaps behind a proxy.

    A phone that starts anew on the same contact keeps the old Call-ID and Via here, and moves only ``expires_at``,
    known to the second, and the User-Agent (seen on Asterisk 16 and 22).
    """

    line: str
    contact: str
    contact_id: str
    ip: str | None
    transport: str | None
    via_ip: str | None
    call_id: str
    user_agent: str
    expires_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactsListed(OfRegistration):
    """The end of a full list of PJSIP contacts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Authenticated(OfRegistration):
    """A request of ``line`` was authenticated: a REGISTER, or an INVITE; ``call_id`` is the request's."""

    line: str
    call_id: str
    ip: str
    transport: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptFailed(Signal):
    """An authentication failed for ``cause``; whose is not kept."""

    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerHeard(OfRegistration):
    """A chan_sip or IAX2 peer registered, or went; ``listed`` when it comes out of a full list."""

    technology: str
    line: str
    contact: str
    ip: str | None
    gone: bool
    listed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerDescribed(OfRegistration):
    """A chan_sip peer's device."""

    contact: str
    user_agent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PeersListed(OfRegistration):
    """The end of a full list of peers of one technology."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OnChannel(Signal):
    """Something that happened to one channel of a call."""

    channel: str
    linked: str
    line: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelUp(OnChannel):
    """A channel came up; ``number`` is what its caller dialled, empty on a leg that Asterisk placed."""

    number: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelDown(OnChannel):
    """A channel was hung up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DialBegun(OnChannel):
    """A channel dials ``number`` on the leg ``dest`` through ``trunk`` (an endpoint's name)."""

    dest: str
    trunk: str | None
    number: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DialEnded(OnChannel):
    """The leg ``dest`` answered or not, as DIALSTATUS says."""

    dest: str
    trunk: str | None
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveChannel(OnChannel):
    """A channel that is up, as Asterisk lists it; ``began_at`` to the second.

    The list is heard after it was made: ``listed_from`` is an instant before that, where one is known.
    """

    number: str
    began_at: int
    bridged: bool
    listed_from: int | None = None
    bridge: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveChannelsListed(Signal):
    """The end of a full list of the channels that are up."""


class Stage(StrEnum):
    """What our dialplan tells of an emergency call (dialplan/README.md)."""

    DIALLED = "Dialled"
    TRYING = "Trying"
    REFUSED = "Refused"
    ANSWERED = "Answered"
    LEG_ENDED = "LegEnded"
    FAILED = "Failed"
    ENDED = "Ended"
    PREEMPTED = "Preempted"
    CALLBACK = "Callback"
    CALLBACK_ANSWERED = "CallbackAnswered"
    CALLBACK_ENDED = "CallbackEnded"
    STRANGE = "strange"


@dataclass(frozen=True, slots=True, kw_only=True)
class EmergencyStage(OnChannel):
    """A stage of the emergency that the caller's channel ``call`` began.

    ``ip`` is where the phone's INVITE came from, ``cli`` the number shown on the trunk, None where it does not say.
    ``journal``: AstDB tells of it, perhaps long after.
    """

    stage: Stage
    call: str
    number: str
    trunk: str | None
    attempt: int
    test: bool
    ip: str | None = None
    cli: str | None = None
    journal: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Strange(Signal):
    """An emergency's event that no dialplan sent: it tells no channel."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed(Signal):
    """The agent's own probe came back through Asterisk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proved(Signal):
    """What arrived at the far end of the rehearsal ``call``; empty where nothing did. Told by our dialplan there."""

    call: str
    trunk: str
    cli: str
    priority: str
    resource_priority: str
    location: bool


class Ask(StrEnum):
    """What a leg asked of its recording (dialplan/README.md)."""

    OPT_IN = "OptIn"
    START = "Start"
    PAUSE = "Pause"
    RESUME = "Resume"
    OPT_OUT = "OptOut"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingAsked(OnChannel):
    """The leg ``channel`` asked for ``ask``."""

    ask: Ask
    trigger: Trigger


class Capture(StrEnum):
    """What MixMonitor did."""

    STARTED = "started"
    STOPPED = "stopped"
    MUTED = "muted"
    UNMUTED = "unmuted"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureChanged(OnChannel):
    """MixMonitor on ``channel`` did ``capture``; Asterisk tells neither the file nor who asked (16, 22).

    ``name`` is the channel's own name: to ask Asterisk by, in memory only.
    """

    capture: Capture
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined(OnChannel):
    """The channel ``name`` came into ``bridge`` (keyed hash), where those that are in it hear one another."""

    bridge: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Parted(OnChannel):
    """The channel left its bridge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone(Signal):
    """A call that was up is not any more, and its end was not heard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """A question to Asterisk: describe a contact of ``endpoint`` (technology ``PJSIP`` or ``SIP``).

    ``contact`` is a PJSIP contact's ``contact_id``, empty where it is not known.
    """

    technology: str
    endpoint: str
    contact: str = ""


class Order(StrEnum):
    """What Asterisk is to be asked about the captures of one channel."""

    #: Which file it writes: one that no grant names is unasked.
    VERIFY = "verify"
    #: Stop whatever captures it, at once, and destroy the file.
    STOP_UNASKED = "stop unasked"
    #: Stop the recording ``recording``, which may be kept up to here.
    STOP = "stop"
    #: Begin the recording ``recording``, once its opt-in is stored.
    BEGIN = "begin"
    #: Tell who has come into the call that it is recorded.
    WELCOME = "welcome"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureOrder:
    """``order`` for the channel called ``name``; ``recording`` is the id of the record, "" where there is none."""

    order: Order
    name: str
    recording: str
    trigger: Trigger = Trigger.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Somebody asks that the channel ``channel`` be recorded: a press, or a service for the line ``line``."""

    at: int
    channel: str
    linked: str
    line: str
    leg: str
    trigger: Trigger
    calls: Calls
