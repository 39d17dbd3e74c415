"""The table of channels of notice: who is told of an alarm, by what, and with which secret."""

import ssl
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from agent.config import tables, text, toml
from agent.config.channel import (
    SIGNING,
    AlertmanagerChannel,
    AnyChannel,
    AppriseChannel,
    WebhookChannel,
    apprise_url,
    secret_text,
)
from agent.config.credentials import Refused, alone
from agent.config.mistakes import ConfigError, Mistake
from agent.config.model import Config, Key, Section
from agent.config.values import Unfit, matching
from agent.core.records import Cause

_MOST_BYTES = 1 << 16


def _emergencies_told(channels: dict[str, AnyChannel]) -> dict[str, AnyChannel]:
    if not any(channel.level == 1 and Cause.EMERGENCY in channel.causes for channel in channels.values()):
        raise Unfit("a channel of level 1 that is told of an emergency")
    return channels


class ChannelsFile(Section):
    """The whole file."""

    channels: Annotated[
        dict[
            Annotated[
                str,
                matching(r"[0-9A-Za-z_-]{1,40}"),
                Key(
                    meaning="A channel.", takes="1 to 40 letters, digits, _ and - for a name", example="[channels.desk]"
                ),
            ],
            Annotated[AnyChannel, Field(discriminator="kind")],
        ],
        AfterValidator(_emergencies_told),
        Key(meaning="The channels of notice.", takes="one or more tables [channels.…]", example=""),
    ]


def of(config: Config) -> dict[str, AnyChannel]:
    """Who is told of alarms, by name.

    Raises:
        ConfigError: the table of channels cannot be used.
    """
    return {} if config.alerts.channels_file is None else load(config.alerts.channels_file)


def load(path: Path) -> dict[str, AnyChannel]:
    """Read the table at ``path``, which only its owner may use: channels by name, with what stands in files of theirs.

    Paths in it begin at its folder.

    Raises:
        ConfigError: with every mistake there is; no secret is repeated.
    """
    channels = tables.load(path, ChannelsFile, private=True).channels
    files = _Files(path)
    settled = {name: files.settled(name, channel) for name, channel in channels.items()}
    if files.mistakes:
        raise ConfigError(files.mistakes)
    return settled


class _Files:
    """What the table's files hold, and what is wrong with them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._folder = path.absolute().parent
        self.mistakes: list[Mistake] = []

    def settled(self, name: str, channel: AnyChannel) -> AnyChannel:
        """The channel with what its files hold."""
        found: dict[str, object] = {}
        try:
            if isinstance(channel, AppriseChannel) and channel.urls_file is not None:
                key = "urls_file"
                found["urls"] = _urls(self._folder / channel.urls_file)
            if isinstance(channel, WebhookChannel) and channel.secret_file is not None:
                key = "secret_file"
                found["secret"] = _signing_secret(self._folder / channel.secret_file)
            if isinstance(channel, WebhookChannel | AlertmanagerChannel) and channel.ca_file is not None:
                key = "ca_file"
                found["ca_file"] = _certificates(self._folder / channel.ca_file)
        except Refused as refused:
            self._tell(("channels", name, key), refused)
        return channel.model_copy(update=found)

    def _tell(self, key: toml.Path, refused: Refused) -> None:
        written = text.read(self._path, most_bytes=tables.MOST_BYTES, private=True)
        lines = toml.lines(written) if isinstance(written, str) else {}
        self.mistakes.append(
            Mistake(
                origin=str(self._path),
                line=lines.get(key, lines.get(key[:-1])),
                key=".".join(key),
                found=refused.found,
                expected=refused.expected,
                example=refused.command,
            )
        )


def _urls(file: Path) -> tuple[SecretStr, ...]:
    written = text.read(file, most_bytes=_MOST_BYTES, private=True)
    expected = "a file of Apprise URLs, one a line"
    if isinstance(written, Mistake):
        raise Refused(f"{file}: {written.found}", expected, command=written.example)
    urls: list[SecretStr] = []
    for number, line in enumerate(written.split("\n"), 1):
        if not (url := line.strip()) or url.startswith("#"):
            continue
        try:
            urls.append(apprise_url(url))
        except ValueError:
            raise Refused(f"{file}: line {number} is no URL that Apprise understands", expected) from None
    if not urls:
        raise Refused(f"{file} holds no URL", expected)
    return tuple(urls)


def _signing_secret(file: Path) -> SecretStr:
    try:
        return secret_text(alone(file, str(file)), SIGNING)
    except ValueError:
        expected = "16 to 900 printable ASCII characters without a space"
        raise Refused(f"{file} holds no such secret", expected) from None


def _certificates(file: Path) -> Path:
    try:
        ssl.create_default_context(cafile=str(file))
    except OSError as error:  # ssl.SSLError is one
        raise Refused(f"{file} cannot be used: {error.strerror or 'no certificate in it'}", "a PEM file") from None
    return file
