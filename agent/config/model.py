"""The sections and keys of the configuration, each with its default, its bounds and its meaning."""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Ge, Le
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretBytes,
    SecretStr,
    ValidationInfo,
)
from pydantic import field_validator as checks
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from agent.config.values import Listen, Unfit, file_path, listen_address, matching, not_empty, proxy_network, sqlite_url
from agent.core.policy import Policy
from agent.core.records import ContentClass, RetentionClass

ENV_PREFIX = "TELEPHONY_AGENT_"
ENV_DELIMITER = "__"

#: Keys that name a file: their paths begin at the configuration's folder, and what stands there is never repeated.
FILES = frozenset(
    (
        "secret_file",
        "ca_file",
        "express_secret_file",
        "sites_file",
        "address_export",
        "channels_file",
        "site_key_file",
        "keyring_file",
        "socket",
        "monitor_dir",
        "store_dir",
        "spool_dir",
        "cdr_file",
        "bundle_dir",
        "last_resort_file",
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """What a key means, what it takes, and an example of its value in TOML."""

    meaning: str
    takes: str
    example: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """A login of manager.conf."""

    username: str
    secret: SecretStr


_Name = Annotated[str, matching(r"[!-~]{1,80}")]
_File = Annotated[Path, BeforeValidator(file_path)]
#: A term that nobody will see the end of.
FOR_GOOD_DAYS = 36_525
_Days = Annotated[int, Ge(1), Le(3653)]
_Many = Field(strict=False)  # TOML has arrays, no tuples


def _days(of: str, example: int) -> Key:
    return Key(meaning=f"How long {of} are kept.", takes="whole days from 1 to 3653", example=str(example))


class Section(BaseModel):
    """A table of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


class Ami(Section):
    """Asterisk's manager interface."""

    host: Annotated[
        str,
        matching(r"(?!\[)[!-~]{1,253}"),
        Key(
            meaning="Where Asterisk's manager interface listens.",
            takes="a host name or an IP address, one of version 6 without brackets",
            example='"127.0.0.1"',
        ),
    ] = "127.0.0.1"
    port: Annotated[
        int,
        Ge(1),
        Le(65535),
        Key(meaning="Its port: 5038, or with TLS mostly 5039.", takes="a whole number from 1 to 65535", example="5038"),
    ] = 5038
    username: Annotated[
        _Name,
        Key(
            meaning="The agent's section of manager.conf.",
            takes="1 to 80 printable ASCII characters without a space",
            example='"agent"',
        ),
    ] = "agent"
    secret_file: Annotated[
        _File | None,
        Key(
            meaning="The file that holds the secret alone, readable by the agent's user only. Or leave it out and give"
            " the secret as $TELEPHONY_AGENT_AMI__SECRET or as the systemd credential ami-secret.",
            takes="the path of a file",
            example='"/etc/telephony-agent/ami-secret"',
        ),
    ] = None
    tls: Annotated[bool, Key(meaning="Whether to speak TLS.", takes="true or false", example="true")] = False
    ca_file: Annotated[
        _File | None,
        Key(
            meaning="The certificates that Asterisk's is checked against, in PEM; without it the system's own.",
            takes="the path of a file",
            example='"/etc/telephony-agent/asterisk-ca.pem"',
        ),
    ] = None
    express_username: Annotated[
        _Name | None,
        Key(
            meaning="A section of manager.conf of its own for the session that hears emergencies; without it the same.",
            takes="1 to 80 printable ASCII characters without a space",
            example='"agent-express"',
        ),
    ] = None
    express_secret_file: Annotated[
        _File | None,
        Key(
            meaning="The file with that section's secret; also $TELEPHONY_AGENT_AMI__EXPRESS_SECRET or the systemd"
            " credential ami-express-secret.",
            takes="the path of a file",
            example='"/etc/telephony-agent/ami-express-secret"',
        ),
    ] = None
    silent_after_s: Annotated[
        float,
        Ge(0.1),
        Le(10),
        Key(
            meaning="How long Asterisk may say nothing, not even answer a ping, until the connection counts as lost.",
            takes="seconds from 0.1 to 10",
            example="9",
        ),
    ] = 9.0

    _secret: SecretStr | None = PrivateAttr(None)
    _express_secret: SecretStr | None = PrivateAttr(None)

    def secret(self) -> str:
        """The secret of ``username``.

        Raises:
            LookupError: the configuration was loaded without secrets.
        """
        return self.credentials("bulk").secret.get_secret_value()

    def credentials(self, session: Literal["express", "bulk"]) -> Credentials:
        """The login of one session; the express session has the ordinary one unless it was given its own.

        Raises:
            LookupError: the configuration was loaded without secrets.
        """
        username, secret = self.username, self._secret
        if session == "express" and self.express_username is not None:
            username, secret = self.express_username, self._express_secret
        if secret is None:
            raise LookupError("the configuration was loaded without secrets")
        return Credentials(username=username, secret=secret)


class Store(Section):
    """Where records are kept."""

    url: Annotated[
        str,
        BeforeValidator(sqlite_url),
        Key(
            meaning="The SQLite file: sqlite:///var/lib/x.sqlite is /var/lib/x.sqlite, and sqlite:///./x.sqlite is"
            " x.sqlite beside this file.",
            takes="sqlite:// and a path that begins with a slash",
            example='"sqlite:///var/lib/telephony-agent/agent.sqlite"',
        ),
    ] = "sqlite:///var/lib/telephony-agent/agent.sqlite"
    reserve_mb: Annotated[
        int,
        Ge(0),
        Le(10_000),
        Key(
            meaning="How much room beside the store is kept for emergencies, in a file that is emptied when the disk is"
            " full; 0 keeps none.",
            takes="whole megabytes from 0 to 10000",
            example="16",
        ),
    ] = 16
    last_resort_file: Annotated[
        _File | None,
        Key(
            meaning="Where emergencies go meanwhile that the store does not take: a file on another disk, or in memory"
            " (/run), which a restart of the machine empties. Without it they wait in the agent alone.",
            takes="the path of a file",
            example='"/run/telephony-agent/emergencies.jsonl"',
        ),
    ] = None

    _folder: Path = PrivateAttr(Path())

    @property
    def path(self) -> Path:
        """The SQLite file."""
        path = self.url.removeprefix("sqlite://").lstrip("/")
        return self._folder / path if path.startswith(("./", "../")) else Path("/", path)


class Http(Section):
    """Metrics, health and the API."""

    allow_remote: Annotated[
        bool,
        Key(
            meaning="Whether `listen` may be an address that other machines reach; nothing there asks for a password.",
            takes="true or false",
            example="true",
        ),
    ] = False
    listen: Annotated[
        Listen | None,
        BeforeValidator(listen_address),
        Key(
            meaning='Where to serve HTTP; port 0 takes any free one, "off" serves nothing.',
            takes='"address:port", "[IPv6 address]:port" or "off"',
            example='"127.0.0.1:9199"',
        ),
    ] = Listen(host="127.0.0.1", port=9199)

    @checks("listen")
    @classmethod
    def _reachable_on_purpose(cls, value: Listen | None, info: ValidationInfo) -> Listen | None:
        if value is not None and not value.loopback and not info.data.get("allow_remote", True):
            raise Unfit("a loopback address, or allow_remote = true beside it")
        return value


class Emergency(Section):
    """What counts as an emergency call."""

    numbers: Annotated[
        tuple[Annotated[str, matching(r"[0-9]{2,8}")], ...],
        _Many,
        AfterValidator(not_empty),
        Key(
            meaning="The emergency numbers.",
            takes="one or more numbers of 2 to 8 digits, each in quotes",
            example='["999", "112", "18000"]',
        ),
    ] = ("999", "112", "18000")
    prefixes: Annotated[
        tuple[Annotated[str, matching(r"[0-9*#]{1,8}")], ...],
        _Many,
        Key(
            meaning="What may be dialled before one: an outside line (9999), a withheld or released number (141999).",
            takes="numbers of 1 to 8 digits, * or #, each in quotes",
            example='["9", "141", "1470"]',
        ),
    ] = ("9", "141", "1470")
    callback_hours: Annotated[
        int,
        Ge(1),
        Le(24),
        Key(
            meaning="How long the emergency services are put through to the phone that called them; the dialplan's own"
            " EMERGENCY_CALLBACK_HOURS says the same.",
            takes="whole hours from 1 to 24",
            example="3",
        ),
    ] = 3
    sites_file: Annotated[
        _File | None,
        Key(
            meaning="Sites, networks and lines: which address 999 is given for a phone (sites.toml.example).",
            takes="the path of a file",
            example='"/etc/telephony-agent/sites.toml"',
        ),
    ] = None
    address_export: Annotated[
        _File | None,
        Key(
            meaning="The carrier's export of emergency addresses, in CSV: number, name, postcode, carrier, updated.",
            takes="the path of a file",
            example='"/etc/telephony-agent/addresses.csv"',
        ),
    ] = None
    address_stale_days: Annotated[
        int,
        Ge(1),
        Le(3653),
        Key(
            meaning="How old an entry of that export may be before somebody has to confirm it.",
            takes="whole days from 1 to 3653",
            example="365",
        ),
    ] = 365
    carrier: Annotated[
        str | None,
        matching(r"[ -~]{1,80}"),
        Key(
            meaning="The carrier that every entry of that export must name; without it any.",
            takes="1 to 80 printable ASCII characters",
            example='"Example Telecom"',
        ),
    ] = None


class Alerts(Section):
    """Who is told of an emergency, and of what stands in its way."""

    channels_file: Annotated[
        _File | None,
        Key(
            meaning="The channels of notice (channels.toml.example); it holds secrets, so chmod 600.",
            takes="the path of a file",
            example='"/etc/telephony-agent/channels.toml"',
        ),
    ] = None
    escalate_after_s: Annotated[
        float,
        Ge(1),
        Le(3600),
        Key(
            meaning="How long an alarm may go without anybody taking it on until the next level of channels is told.",
            takes="seconds from 1 to 3600",
            example="60",
        ),
    ] = 60.0


class Assurance(Section):
    """Watching the way of a 999 call without dialling it."""

    paths_every_s: Annotated[
        float,
        Ge(1),
        Le(3600),
        Key(
            meaning="How often Asterisk is asked what it would do with every emergency number.",
            takes="seconds from 1 to 3600",
            example="30",
        ),
    ] = 30.0
    probe_every_s: Annotated[
        float,
        Ge(0),
        Le(300),
        Key(
            meaning="How often a probe goes through Asterisk and the agent into the store; 0 sends none.",
            takes="seconds from 0 to 300",
            example="5",
        ),
    ] = 5.0
    rehearse_every_h: Annotated[
        int,
        Ge(0),
        Le(8760),
        Key(
            meaning="How often a real call is placed to the rehearsal number (EMERGENCY_REHEARSAL_NUMBER of the"
            " dialplan); 0 leaves it to the command `emergency test`.",
            takes="whole hours from 0 to 8760",
            example="168",
        ),
    ] = 0


class Registration(Section):
    """Who registers."""

    proxies: Annotated[
        tuple[Annotated[IPv4Network | IPv6Network, BeforeValidator(proxy_network)], ...],
        _Many,
        Key(
            meaning="SIP proxies and SBCs that phones register through: for these the address behind them is taken.",
            takes="addresses or networks (CIDR), each in quotes",
            example='["192.0.2.10", "198.51.100.0/24"]',
        ),
    ] = ()


class Recording(Section):
    """Recording on request; without its folders and a site key nothing is granted."""

    enforce: Annotated[
        bool,
        Key(
            meaning="Whether a recording that nobody opted into is stopped and destroyed; else it is only told.",
            takes="true or false",
            example="true",
        ),
    ] = True
    socket: Annotated[
        _File | None,
        Key(
            meaning="Where Asterisk asks whether a call may be recorded: RECORDING_SOCKET of the dialplan.",
            takes="the path of a file",
            example='"/run/telephony-agent/recording.sock"',
        ),
    ] = None
    socket_group: Annotated[
        str | None,
        matching(r"[a-z_][a-z0-9_-]{0,31}"),
        Key(
            meaning="The group that may use it: that of Asterisk's user. Without it only the agent's own user may.",
            takes="the name of a group",
            example='"asterisk"',
        ),
    ] = None
    monitor_dir: Annotated[
        _File | None,
        Key(
            meaning="Asterisk's own monitor folder, where it writes what it captures; it must be memory (tmpfs),"
            " and have the same last name where Asterisk sees it.",
            takes="the path of a folder",
            example='"/var/spool/asterisk/monitor"',
        ),
    ] = None
    store_dir: Annotated[
        _File | None,
        Key(
            meaning="Where recordings are kept, encrypted.",
            takes="the path of a folder",
            example='"/var/lib/telephony-agent/recordings"',
        ),
    ] = None
    min_free_mb: Annotated[
        int,
        Ge(1),
        Le(1_000_000),
        Key(
            meaning="With less room than this in either folder no new recording is granted; nothing is deleted.",
            takes="whole megabytes from 1 to 1000000",
            example="64",
        ),
    ] = 64
    quarantine_minutes: Annotated[
        int,
        Ge(0),
        Le(10080),
        Key(
            meaning="How long a file that belongs to no recording is held back before it is destroyed.",
            takes="whole minutes from 0 to 10080",
            example="60",
        ),
    ] = 60
    emergency_basis: Annotated[
        str | None,
        matching(r"[ -~]{8,200}"),
        Key(
            meaning="The legal basis on which emergency calls of lines with the recording service are recorded as well;"
            " without it no emergency call ever is.",
            takes="8 to 200 printable ASCII characters",
            example='"contract with the site operator, DPIA of 2026-03-02"',
        ),
    ] = None


class Voicemail(Section):
    """Voicemail that goes: without `spool_dir` none is ever deleted."""

    spool_dir: Annotated[
        _File | None,
        Key(
            meaning="Where app_voicemail keeps its messages as files; the agent's user must be able to write there.",
            takes="the path of a folder",
            example='"/var/spool/asterisk/voicemail"',
        ),
    ] = None
    heard_days: Annotated[_Days, _days("messages that were heard", 14)] = 14
    unheard_days: Annotated[_Days, _days("messages that nobody has heard", 30)] = 30
    deleted_days: Annotated[_Days, _days("messages that their owner has deleted", 1)] = 1
    warn_days: Annotated[
        int,
        Ge(0),
        Le(365),
        Key(
            meaning="How long before it goes a message counts as due, and is warned of.",
            takes="whole days from 0 to 365",
            example="3",
        ),
    ] = 3
    warn: Annotated[
        Literal["off", "message"],
        Key(
            meaning="How the line that is named like the mailbox is warned: not at all, or by a SIP MESSAGE (AMI write"
            " class `message`).",
            takes='"off" or "message"',
            example='"message"',
        ),
    ] = "off"
    every_h: Annotated[
        int,
        Ge(1),
        Le(168),
        Key(meaning="How often the agent deletes what is to go.", takes="whole hours from 1 to 168", example="24"),
    ] = 24


class Calls(Section):
    """The records of calls; without `cdr_file` and `trunks` none is kept."""

    trunks: Annotated[
        tuple[_Name, ...],
        _Many,
        Key(
            meaning="The endpoints that lead out of the PBX, those of emergency trunks too: calls through them are the"
            " outgoing and incoming ones, all others are internal.",
            takes="names of endpoints, each in quotes",
            example='["trunk-a", "emergency-trunk-a"]',
        ),
    ] = ()
    cdr_file: Annotated[
        _File | None,
        Key(
            meaning="The file that Asterisk writes calls to (dialplan/cdr_custom.conf.example); what was stored of it"
            " is destroyed, so nobody else may need it.",
            takes="the path of a file",
            example='"/var/log/asterisk/cdr-custom/telephony-agent.csv"',
        ),
    ] = None
    helplines: Annotated[
        tuple[Annotated[str, matching(r"[0-9]{3,15}")], ...],
        _Many,
        Key(
            meaning="More numbers that are helplines, as they are dialled within the country; a call to one is on no"
            " bill. The 116 numbers and the charities' best known are in already.",
            takes="numbers of 3 to 15 digits, each in quotes",
            example='["08001234567"]',
        ),
    ] = ()


class Keys(Section):
    """The keys of the recordings; without a site key nothing is recorded."""

    site_key_file: Annotated[
        _File | None,
        Key(
            meaning="The file that holds the site key alone, readable by the agent's user only; `telephony-agent keys"
            " init` makes it. Or leave it out and give the key as $TELEPHONY_AGENT_KEYS__SITE_KEY or as the systemd"
            " credential site-key.",
            takes="the path of a file",
            example='"/etc/telephony-agent/site-key"',
        ),
    ] = None
    keyring_file: Annotated[
        _File | None,
        Key(
            meaning="The keyring, which holds the other keys, encrypted under the site key; without it the store's name"
            " with .keys behind it.",
            takes="the path of a file",
            example='"/var/lib/telephony-agent/agent.keys"',
        ),
    ] = None

    _site_key: SecretBytes | None = PrivateAttr(None)
    _fault: str = PrivateAttr("")

    @property
    def fault(self) -> str:
        """Why the site key that is named cannot be taken; "" where it can, or none is named."""
        return self._fault

    @property
    def former_site_key_file(self) -> Path | None:
        """Where a rotation leaves the site key before this one until the new one has proved itself."""
        file = self.site_key_file
        return None if file is None else file.with_name(file.name + ".old")

    def site_key(self) -> bytes | None:
        """The site key, 32 bytes; None when none is given, or the configuration was loaded without secrets."""
        return self._site_key.get_secret_value() if self._site_key is not None else None


_Absolute = Annotated[str, matching(r"/[^\0]{0,4000}")]


class Subjects(Section):
    """Customers' requests about their own data."""

    bundle_dir: Annotated[
        _File | None,
        Key(
            meaning="Where copies for customers are put (`subject export` without --to); there the agent deletes them"
            " when their time is over. Whoever puts them elsewhere deletes them himself.",
            takes="the path of a folder",
            example='"/var/lib/telephony-agent/copies"',
        ),
    ] = None
    bundle_days: Annotated[_Days, _days("copies for customers", 7)] = 7
    canary_every_h: Annotated[
        int,
        Ge(0),
        Le(168),
        Key(
            meaning="How often the agent stores and erases a customer that never was, and searches for what is left;"
            " 0 never. It takes a site key.",
            takes="whole hours from 0 to 168",
            example="24",
        ),
    ] = 24
    search: Annotated[
        tuple[_Absolute, ...],
        _Many,
        Key(
            meaning="Where else to search: logs, backups. The store and the keyring are searched always.",
            takes="absolute paths of files and folders, each in quotes",
            example='["/var/log/telephony-agent", "/var/backups/telephony-agent"]',
        ),
    ] = ()


class Retention(Section):
    """How long each class of record is kept."""

    registration_days: Annotated[_Days, _days("registrations", 365)] = 365
    emergency_days: Annotated[_Days, _days("emergency calls", 365)] = 365
    recording_days: Annotated[_Days, _days("records of recordings", 400)] = 400
    operations_days: Annotated[_Days, _days("counts of failures and blind times", 400)] = 400
    audit_days: Annotated[_Days, _days("records of who looked at what", 400)] = 400
    audit_root_days: Annotated[_Days, _days("what proves the rest of the audit whole, of each month,", 2192)] = 2192
    consent_days: Annotated[_Days, _days("opt-ins, once they are withdrawn,", 2192)] = 2192
    account_days: Annotated[_Days, _days("accounts, once their last line or number has ended,", 2192)] = 2192
    call_days: Annotated[_Days, _days("calls that may stand on a bill", 365)] = 365
    unbilled_days: Annotated[_Days, _days("calls that cost nothing (incoming, missed, internal, freephone)", 30)] = 30
    planning_days: Annotated[_Days, _days("figures of traffic and devices, with nobody in them,", 2192)] = 2192
    vat_days: Annotated[_Days, _days("what calls came to in a month, without their numbers,", 2192)] = 2192
    request_days: Annotated[_Days, _days("what customers asked about their data, once it is answered,", 2192)] = 2192
    content_user_days: Annotated[_Days, _days("recordings that users asked for", 90)] = 90
    content_pa_days: Annotated[_Days, _days("recordings of the PA service", 30)] = 30
    content_customer_service_days: Annotated[_Days, _days("recordings of calls with customer services", 180)] = 180
    detail_minutes: Annotated[
        int,
        Ge(0),
        Le(1440),
        Key(
            meaning="How long after an emergency call its fuller view is kept for the emergency services.",
            takes="whole minutes from 0 to 1440",
            example="60",
        ),
    ] = 60

    def days(self, kind: RetentionClass) -> int:
        """How many days a record of this class is kept after its end; a fuller view's end has its minutes in it.

        What proves the register of disclosures whole stays: with any of it gone, nothing could be proved.
        """
        if kind is RetentionClass.REGISTER:
            return FOR_GOOD_DAYS
        days: int = 0 if kind is RetentionClass.DETAIL else getattr(self, f"{kind}_days")
        return days

    def content_days(self, kind: ContentClass) -> int:
        """How many days the content of a recording of this class is kept."""
        days: int = getattr(self, f"content_{kind}_days")
        return days


class Log(Section):
    """The agent's own log, on standard error."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Key(
            meaning="The least serious line that is written.",
            takes='"debug", "info", "warning" or "error"',
            example='"info"',
        ),
    ] = "info"
    format: Annotated[
        Literal["json", "console"],
        Key(meaning="One JSON object a line, or coloured text to read.", takes='"json" or "console"', example='"json"'),
    ] = "json"


class Config(BaseSettings):
    """The whole configuration, checked; built by `load`, or with every default by ``Config()``."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        hide_input_in_errors=True,
        env_prefix=ENV_PREFIX,
        env_nested_delimiter=ENV_DELIMITER,
    )

    ami: Ami = Ami()
    store: Store = Store()
    http: Http = Http()
    emergency: Emergency = Emergency()
    alerts: Alerts = Alerts()
    assurance: Assurance = Assurance()
    registration: Registration = Registration()
    recording: Recording = Recording()
    keys: Keys = Keys()
    voicemail: Voicemail = Voicemail()
    calls: Calls = Calls()
    subjects: Subjects = Subjects()
    retention: Retention = Retention()
    log: Log = Log()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Nothing but what `load` hands over, so that no stray environment is ever read."""
        return (init_settings,)

    @property
    def keyring(self) -> Path:
        """The keyring's file."""
        return self.keys.keyring_file or self.store.path.with_name(self.store.path.name + ".keys")

    def policy(self) -> Policy:
        """What the core must know of it."""
        return Policy(
            emergency_numbers=frozenset(self.emergency.numbers),
            prefixes=self.emergency.prefixes,
            proxies=self.registration.proxies,
            callback_ms=self.emergency.callback_hours * 3_600_000,
            detail_ms=self.retention.detail_minutes * 60_000,
            emergencies_recorded=self.recording.emergency_basis is not None,
        )


def settle(
    config: Config,
    *,
    folder: Path,
    secret: SecretStr | None,
    express_secret: SecretStr | None,
    site_key: SecretBytes | None,
    key_fault: str,
) -> None:
    """Give a new configuration what does not stand in its keys: the folder of its file, and the secrets."""
    config.store._folder = folder
    config.ami._secret = secret
    config.ami._express_secret = express_secret
    config.keys._site_key = site_key
    config.keys._fault = key_fault


def sections() -> dict[str, type[Section]]:
    """Every section's model by name, in the order of the file."""
    return {name: field.annotation for name, field in Config.model_fields.items()}  # type: ignore[misc]


def key(section: str, name: str) -> Key:
    """What is to be known of one key."""
    (found,) = (item for item in sections()[section].model_fields[name].metadata if isinstance(item, Key))
    return found
