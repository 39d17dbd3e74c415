"""What was seen of the PBX and of this machine; None stands for what could not be seen."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum

#: A class that a user of manager.conf is granted by ``read=`` or ``write=``.
Classes = frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One section of a configuration file, cut down to the keys that a check looks at; never a secret."""

    name: str
    items: tuple[tuple[str, str], ...] = ()

    def get(self, key: str) -> str | None:
        """The last value of ``key``, as Asterisk reads it, or None."""
        return next((value for name, value in reversed(self.items) if name.lower() == key), None)

    def yes(self, key: str, *, default: bool) -> bool:
        """Whether the value is one of those that Asterisk takes for true (ast_true)."""
        value = self.get(key)
        return default if value is None else value.lower() in ("yes", "true", "y", "t", "1", "on")


class FilterForm(Enum):
    """How the action ``Filter`` is taken; see agent.sources.ami_filters."""

    CRITERIA = "MatchCriteria"
    REGEX = "a regular expression"
    REFUSED = "not at all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A user of manager.conf that the agent logs in as.

    ``sessions`` are ``express``, ``bulk`` or both; ``refused`` says why its login was; ``commands`` are the actions
    that ListCommands shows it; ``proven`` are the read classes of which an event came; ``section`` is its own.
    """

    name: str
    sessions: tuple[str, ...] = ("express", "bulk")
    refused: str = ""
    commands: frozenset[str] = frozenset()
    proven: Classes = frozenset()
    section: Section | None = None
    filter_form: FilterForm | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A phone or trunk; ``context`` None: not seen. A ``phone`` authenticates itself (PJSIP) or is dynamic.

    ``message_context`` is where its texts land, "" where that is its ``context``.
    ``auths`` are the names of its auth sections, ``mailboxes`` what it is told of; both PJSIP's alone.
    """

    technology: str
    name: str
    context: str | None
    phone: bool = True
    one_touch_recording: bool = False
    on_feature: str = ""
    off_feature: str = ""
    rtp_timeout_s: int = 0
    message_context: str = ""
    auths: tuple[str, ...] = ()
    mailboxes: tuple[str, ...] = ()


class Reachability(StrEnum):
    """Whether a contact answers OPTIONS, as Asterisk says (PJSIP_CONTACT of 16 and 22); none: nothing was said."""

    REACHABLE = "Reachable"
    UNREACHABLE = "Unreachable"
    NOT_QUALIFIED = "NonQualified"
    UNKNOWN = "Unknown"
    NONE = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trunk:
    """An emergency trunk; ``exists``: there is such a PJSIP endpoint (None: not seen). ``contacts`` are where it leads.

    ``cli`` is the number shown on it, in place of the phone's own where it is not empty.
    """

    name: str
    exists: bool | None = None
    contacts: tuple[Reachability, ...] = ()
    cli: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One priority of an extension; of an application's arguments only where a Gosub or Goto leads to.

    ``target`` is its context and ``number`` its extension, both empty where they are not plain text.
    """

    context: str
    extension: str
    application: str
    target: str = ""
    number: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """What a number meets in a context, in Asterisk's own order; ``switch``: another program is asked as well.

    ``digest`` is a short hash of all that Asterisk lists for it, arguments included: it tells a change.
    """

    steps: tuple[Step, ...] = ()
    switch: bool = False
    digest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recordings:
    """What recordings need of this machine; what is "" is named nowhere, and a fault that is "" is none."""

    monitor: str = ""
    monitor_fault: str = ""
    in_memory: bool = False
    never_swapped: bool = False
    store: str = ""
    store_fault: str = ""
    socket: str = ""
    socket_fault: str = ""
    group: str = ""
    key_fault: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFile:
    """The file that calls are read from, why it cannot be taken away ("": it can), and which endpoints are trunks."""

    path: str
    fault: str = ""
    trunks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """This machine: may the store be written, is the HTTP address free or the agent's own.

    ``spool`` is the folder of voicemail that is to go (empty: none is), ``spool_fault`` why it cannot. ``recordings``
    None: none is ever kept here. ``calls`` None: no calls are read. ``key_fault``: why nothing is encrypted.
    """

    store: str
    store_fault: str = ""
    listen: str = ""
    listen_fault: str = ""
    agent_runs: bool = False
    spool: str = ""
    spool_fault: str = ""
    recordings: Recordings | None = None
    calls: CallFile | None = None
    key_fault: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All of it. ``routes`` are by (context, number); ``contexts``, ``way`` and ``variables`` by name; ``skew_ms`` is
    Asterisk's clock less ours, give or take ``skew_within_ms``.

    ``way`` holds what stands in each context that an emergency call can come through from [emergency] on, None where
    there is no such context.
    """

    host: Host
    accounts: tuple[Account, ...]
    numbers: tuple[str, ...] = ("999", "112", "18000")
    ami_loopback: bool = True
    ami_tls: bool = False
    general: Section | None = None
    events_stamped: bool | None = None
    skew_ms: int | None = None
    skew_within_ms: int = 0
    endpoints: tuple[Endpoint, ...] | None = None
    routes: Mapping[tuple[str, str], Route] | None = None
    contexts: Mapping[str, bool] | None = None
    way: Mapping[str, Route | None] | None = None
    trunks: tuple[Trunk, ...] | None = None
    aors: tuple[str, ...] | None = None
    #: EMERGENCY_* among the globals of extensions.conf
    settings: Section | None = None
    #: every form in which an emergency number may be dialled, ``numbers`` among them
    forms: tuple[str, ...] = ()
    version: str | None = None
    variables: Mapping[str, str] | None = None
    features: Section | None = None
    pjsip: Section | None = None
    modules: Mapping[str, bool] | None = None
    #: [general] of voicemail.conf
    voicemail: Section | None = None
    #: [mappings] of cdr_custom.conf, and [general] of cdr.conf
    mappings: Section | None = None
    cdr: Section | None = None
    #: [directories] of asterisk.conf
    directories: Section | None = None
    #: why Asterisk cannot run the script that asks for a recording ("": it can)
    script_fault: str | None = None

    @property
    def bulk(self) -> Account:
        """The user of the session that hears everything but emergencies."""
        return next(account for account in self.accounts if "bulk" in account.sessions)
