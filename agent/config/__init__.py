"""The agent's configuration: a TOML file and the environment become frozen, checked objects, or a list of mistakes."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import SecretBytes, SecretStr, ValidationError
from pydantic_core import ErrorDetails

from agent.config import credentials, document, environment
from agent.config.credentials import Written, site_key_in
from agent.config.environment import Place
from agent.config.mistakes import ConfigError, Mistake, shown
from agent.config.model import FILES, Config, Credentials, key, sections, settle
from agent.config.reference import reference
from agent.config.values import Listen, Unfit

__all__ = [
    "Config",
    "ConfigError",
    "Credentials",
    "Listen",
    "Mistake",
    "load",
    "reference",
    "site_key",
    "site_key_in",
    "site_keys",
]


def load(
    path: Path | None, environ: Mapping[str, str], *, secrets_required: bool = True, keys_required: bool = True
) -> Config:
    """Read the TOML file at ``path`` (None: no file) and the environment, which beats it.

    Relative paths begin at the file's folder, without a file at the working directory.

    Args:
        path: The file.
        environ: Variables ``TELEPHONY_AGENT_SECTION__KEY`` (a list as ``a,b`` or JSON; empty counts as not set), and
            systemd's ``CREDENTIALS_DIRECTORY``.
        secrets_required: False for what never logs in to Asterisk: no secret and no certificate is looked at.
        keys_required: False for what must run though no call can be recorded: a mistake about the site key is then
            what `Keys.fault` says.

    Raises:
        ConfigError: with every mistake there is.
    """
    file = document.Document() if path is None else document.read(path)
    variables, given, strays = environment.read(environ)
    mistakes = [*file.mistakes, *strays]
    written = {name: file.keys.get(name, {}) | variables.get(name, {}) for name in sections()}
    folder = (path.parent if path is not None else Path()).absolute()

    def place(section: str, name: str) -> Place:
        if name in variables.get(section, {}):
            return Place(origin=environment.variable(section, name))
        if path is not None:
            line = file.lines.get((section, name), file.lines.get((section,)))
            return Place(origin=str(path), line=line, in_file=True)
        return Place(origin=environment.variable(section, name))

    config, errors = _validated(written, folder)
    mistakes += [_mistake(error, place) for error in errors]
    secrets: dict[str, SecretStr] = {}
    key_of_site: SecretBytes | None = None
    key_faults: list[Mistake] = []
    if secrets_required:
        places = {
            name: place(section, name) for section in ("ami", "keys") for name in sections()[section].model_fields
        }
        told = Written(
            ami=written["ami"],
            keys=written["keys"],
            places=places,
            given=given,
            folder=folder,
            systemd=_systemd(environ),
            whole=file.sound,
        )
        secrets, wrong = credentials.secrets(told)
        key_of_site, key_faults = credentials.site_key(told)
        mistakes += wrong + (key_faults if keys_required else [])
    if mistakes or config is None:
        raise ConfigError(sorted(mistakes, key=lambda each: (each.origin != str(path), each.line or 0)))
    settle(
        config,
        folder=folder,
        secret=secrets.get("secret"),
        express_secret=secrets.get("express_secret"),
        site_key=key_of_site,
        key_fault="; ".join(str(fault) for fault in key_faults),
    )
    return config


def site_key(config: Config, environ: Mapping[str, str]) -> bytes | None:
    """The site key of a configuration that was loaded without secrets, 32 bytes; None when none is given.

    Raises:
        ConfigError: it cannot be taken.
    """
    _, given, _ = environment.read(environ)
    file = config.keys.site_key_file
    found, mistakes = credentials.site_key(
        Written(
            ami={},
            keys={"site_key_file": file} if file is not None else {},
            places={"site_key_file": Place(origin="the configuration")},
            given=given,
            folder=Path(),
            systemd=_systemd(environ),
            whole=True,
        )
    )
    if mistakes:
        raise ConfigError(mistakes)
    return found.get_secret_value() if found is not None else None


def site_keys(config: Config, environ: Mapping[str, str]) -> list[bytes]:
    """The site keys that may open the keyring now: the one that is given, and the one before it, while it is there."""
    found = []
    with suppress(ConfigError):
        found.append(site_key(config, environ))
    if config.keys.former_site_key_file is not None:
        found.append(site_key_in(config.keys.former_site_key_file))
    return [key for key in found if key is not None]


def _systemd(environ: Mapping[str, str]) -> Path | None:
    folder = environ.get("CREDENTIALS_DIRECTORY")
    return Path(folder) if folder else None


def _validated(written: Mapping[str, Mapping[str, Any]], folder: Path) -> tuple[Config | None, list[ErrorDetails]]:
    anchored: dict[str, Any] = {
        section: {
            name: folder / value if name in FILES and credentials.is_path(value) else value
            for name, value in table.items()
        }
        for section, table in written.items()
    }
    try:
        return Config(**anchored), []
    except ValidationError as error:
        return None, error.errors(include_url=False)


def _mistake(error: ErrorDetails, place: Callable[[str, str], Place]) -> Mistake:
    section, name = str(error["loc"][0]), str(error["loc"][1])
    about, where = key(section, name), place(section, name)
    reason = error.get("ctx", {}).get("error")
    return Mistake(
        origin=where.origin,
        line=where.line,
        key=f"{section}.{name}",
        found=f"found {shown(error['input'], private=name in FILES)}",
        expected=f"expected {reason if isinstance(reason, Unfit) else about.takes}",
        example=where.example(section, name),
    )
