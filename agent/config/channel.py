"""A channel of notice: its kinds, and the keys of each with their bounds and meaning."""

import logging
import re
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from annotated_types import Ge, Le
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationInfo
from pydantic_core import PydanticCustomError

from agent.config.model import Key, Section
from agent.config.values import Unfit, file_path, matching
from agent.core.records import Cause, News

#: What an ordinary channel is told of; the end of an alarm calls nobody out of bed.
TURNS = (News.RAISED, News.WORSENED, News.ESCALATED)

#: The shape of a signing secret.
SIGNING = r"[!-~]{16,900}"


def _words(kind: type[Cause] | type[News]) -> str:
    return "one or more of " + ", ".join(f'"{word.value}"' for word in kind)


def _not_empty(values: tuple[Any, ...]) -> tuple[Any, ...]:
    if not values:
        raise ValueError
    return values


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def secret_text(value: object, shape: str) -> SecretStr:
    """A text of exactly this shape, never shown.

    Raises:
        ValueError: it is none.
    """
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    if not isinstance(text, str) or not re.fullmatch(shape, text):
        raise ValueError
    return SecretStr(text)


def _http_url(value: object) -> SecretStr:
    url = secret_text(value, r"[!-~]{1,2000}")
    parts = urlsplit(url.get_secret_value())
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.fragment or parts.port == 0:
        raise ValueError
    return url


def apprise_url(value: object) -> SecretStr:
    """A URL that Apprise understands.

    Raises:
        ValueError: it is none.
    """
    # Here, because it takes half a second: only who uses it waits for it.
    from apprise import Apprise, AppriseAsset

    # It logs what is wrong with a URL, the URL with it.
    logging.getLogger("apprise").disabled = True
    url = secret_text(value, r"[!-~]{1,2000}")
    asset = AppriseAsset(storage_mode="memory", pgp_autogen=False, pem_autogen=False)
    if Apprise.instantiate(url.get_secret_value(), asset=asset) is None:
        raise ValueError
    return url


def _overheard(url: SecretStr) -> bool:
    parts = urlsplit(url.get_secret_value())
    return parts.scheme != "https" and not _loopback(parts.hostname or "")


def _guarded(url: SecretStr) -> SecretStr:
    if _overheard(url):
        raise Unfit("https, as what is told may say who calls and from where; http to this machine only")
    return url


def _guarded_with_details(url: SecretStr, info: ValidationInfo) -> SecretStr:
    return _guarded(url) if info.data.get("details") else url


def _or(other: str) -> AfterValidator:
    """Either this key or ``other``, which stands before it."""

    def check(value: Any, info: ValidationInfo) -> Any:
        file = info.data.get(other, ...)
        if not value and file is None:
            raise PydanticCustomError("missing", "neither the value nor its file")
        if value and isinstance(file, Path):
            raise Unfit(f"either this or {other}, not both")
        return value

    return AfterValidator(check)


_File = Annotated[Path | None, BeforeValidator(file_path)]
_Endpoint = Annotated[
    str,
    matching(r"[0-9A-Za-z_.+-]{1,80}"),
    Key(
        meaning="The PJSIP endpoint: a phone, or with `number` a trunk.",
        takes="the name of an endpoint, of letters, digits and _ . + - only",
        example='"201"',
    ),
]
_Turns = Annotated[
    tuple[Annotated[News, Field(strict=False)], ...],
    Field(strict=False),
    AfterValidator(_not_empty),
    Key(meaning="Which turns of an alarm it is told of.", takes=_words(News), example='["raised", "escalated"]'),
]


def _most_characters(most: int) -> Key:
    return Key(
        meaning="How long the text may be; 160 is one SMS.",
        takes=f"a whole number from 70 to {most}",
        example="160",
    )


class Channel(Section):
    """What every channel has."""

    level: Annotated[
        int,
        Ge(1),
        Le(5),
        Key(
            meaning="From which step of escalation on it is told: 1 at once, 2 when nobody has taken the alarm on for"
            " [alerts] escalate_after_s, and so on.",
            takes="a whole number from 1 to 5",
            example="1",
        ),
    ] = 1
    causes: Annotated[
        tuple[Annotated[Cause, Field(strict=False)], ...],
        Field(strict=False),
        AfterValidator(_not_empty),
        Key(meaning="What it is told of.", takes=_words(Cause), example='["emergency", "path"]'),
    ] = tuple(Cause)
    timeout_s: Annotated[
        float,
        Ge(1),
        Le(60),
        Key(meaning="How long one attempt may take.", takes="seconds from 1 to 60", example="10"),
    ] = 10.0


class AppriseChannel(Channel):
    """Mail, chat, SMS, pagers: whatever Apprise has a URL for."""

    kind: Literal["apprise"]
    news: _Turns = TURNS
    urls_file: Annotated[
        _File,
        Key(
            meaning="A file of Apprise URLs, one a line (# begins a comment), readable by the agent's user only.",
            takes="the path of a file",
            example='"/etc/telephony-agent/desk-urls"',
        ),
    ] = None
    urls: Annotated[
        tuple[Annotated[SecretStr, BeforeValidator(apprise_url)], ...],
        Field(strict=False, validate_default=True),
        _or("urls_file"),
        Key(
            meaning="Apprise URLs, or urls_file in their place; every one of them must take a notice.",
            takes="one or more URLs that Apprise understands, each in quotes",
            example='["mailtos://user:password@example.com?to=desk@example.com"]',
        ),
    ] = ()
    most_characters: Annotated[int, Ge(70), Le(4000), _most_characters(4000)] = 2000


class _Web(Channel):
    """What speaks HTTP."""

    ca_file: Annotated[
        _File,
        Key(
            meaning="The certificates that the server's is checked against, in PEM; without it the system's own.",
            takes="the path of a file",
            example='"/etc/telephony-agent/desk-ca.pem"',
        ),
    ] = None


class WebhookChannel(_Web):
    """A signed POST of JSON."""

    kind: Literal["webhook"]
    news: _Turns = tuple(News)
    url: Annotated[
        SecretStr,
        BeforeValidator(_http_url),
        AfterValidator(_guarded),
        Key(
            meaning="Where to POST.",
            takes="an https:// URL, or an http:// one of this machine",
            example='"https://desk.example.com/telephony"',
        ),
    ]
    secret_file: Annotated[
        _File,
        Key(
            meaning="The file that holds the signing secret alone, readable by the agent's user only.",
            takes="the path of a file",
            example='"/etc/telephony-agent/desk-webhook-secret"',
        ),
    ] = None
    secret: Annotated[
        Annotated[SecretStr, BeforeValidator(lambda value: secret_text(value, SIGNING))] | None,
        Field(validate_default=True),
        _or("secret_file"),
        Key(
            meaning="The signing secret itself, or secret_file in its place.",
            takes="16 to 900 printable ASCII characters without a space",
            example='"0123456789abcdef"',
        ),
    ] = None


class AlertmanagerChannel(_Web):
    """An Alertmanager (API version 2); it is told of every turn of an alarm."""

    kind: Literal["alertmanager"]
    details: Annotated[
        bool,
        Key(
            meaning="Whether its annotations say what other channels are told: line, address, who lets help in.",
            takes="true or false",
            example="true",
        ),
    ] = False
    url: Annotated[
        SecretStr,
        BeforeValidator(_http_url),
        AfterValidator(_guarded_with_details),
        Key(
            meaning="Where it is, without /api/v2/alerts.",
            takes="an https:// or http:// URL",
            example='"http://127.0.0.1:9093"',
        ),
    ]
    resend_s: Annotated[
        float,
        Ge(1),
        Le(240),
        Key(
            meaning="How often an open alarm is told again; Alertmanager forgets it after its resolve_timeout (5 min).",
            takes="seconds from 1 to 240",
            example="60",
        ),
    ] = 60.0

    @property
    def news(self) -> tuple[News, ...]:
        """Every turn."""
        return tuple(News)


class MessageChannel(Channel):
    """A SIP MESSAGE to a phone of this PBX."""

    kind: Literal["message"]
    news: _Turns = TURNS
    endpoint: _Endpoint
    most_characters: Annotated[int, Ge(70), Le(600), _most_characters(600)] = 300


class RingChannel(Channel):
    """A phone that rings until somebody answers."""

    kind: Literal["ring"]
    news: _Turns = TURNS
    endpoint: _Endpoint
    number: Annotated[
        Annotated[str, matching(r"\+?[0-9]{2,20}")] | None,
        Key(
            meaning="The number to ring over the trunk `endpoint`.",
            takes="2 to 20 digits, with or without + before them",
            example='"+441134960001"',
        ),
    ] = None
    caller: Annotated[
        str,
        matching(r"[0-9A-Za-z][0-9A-Za-z .-]{0,39}"),
        Key(
            meaning="The name that the phone shows.",
            takes="1 to 40 letters, digits, spaces, . and -",
            example='"999 desk"',
        ),
    ] = "999 desk"
    ring_s: Annotated[
        int,
        Ge(5),
        Le(60),
        Key(meaning="How long it rings.", takes="whole seconds from 5 to 60", example="20"),
    ] = 20
    sound: Annotated[
        str,
        matching(r"[0-9A-Za-z_-]{1,40}(/[0-9A-Za-z_-]{1,40}){0,3}"),
        Key(
            meaning="What is played to who answers, three times: a sound file of Asterisk's.",
            takes="the name of a sound file without its ending",
            example='"beep"',
        ),
    ] = "beep"


AnyChannel = AppriseChannel | WebhookChannel | AlertmanagerChannel | MessageChannel | RingChannel
