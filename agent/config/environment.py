"""Configuration by environment variables: TELEPHONY_AGENT_SECTION__KEY."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_origin

from pydantic.fields import FieldInfo
from pydantic_settings import EnvSettingsSource

from agent.config.mistakes import Mistake, named, nearest
from agent.config.model import ENV_DELIMITER, ENV_PREFIX, Config, key, sections

#: Secrets come in no key of the file, but do in the environment: the section of each, and the key that names its file.
SECRETS = {
    "secret": ("ami", "secret_file"),
    "express_secret": ("ami", "express_secret_file"),
    "site_key": ("keys", "site_key_file"),
}


class _Source(EnvSettingsSource):
    """pydantic-settings' reading of ``environ``, with lists as ``a,b`` or as JSON."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        super().__init__(Config)
        self.env_vars = {name.lower(): value for name, value in environ.items()}

    def decode_complex_value(self, field_name: str, field: FieldInfo | None, value: Any) -> Any:  # noqa: ARG002
        text = str(value).strip()
        if field is None or get_origin(field.annotation) is not tuple:
            return value
        if not text.startswith("["):
            return [item.strip() for item in text.split(",")]
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return text


def variable(section: str, name: str) -> str:
    """The name of the variable that sets a key."""
    return f"{ENV_PREFIX}{section}{ENV_DELIMITER}{name}".upper()


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a key is set: a line of the file (None: nowhere yet), or a variable."""

    origin: str
    line: int | None = None
    in_file: bool = False

    def example(self, section: str, name: str) -> str:
        """A line that sets a key, in the form of this place."""
        value = key(section, name).example
        if self.in_file:
            return f"{name} = {value}"
        plain = tomllib.loads(f"x = {value}")["x"]
        text = ",".join(plain) if isinstance(plain, list) else plain if isinstance(plain, str) else value
        return f"{variable(section, name)}={text}"


def _known() -> dict[str, tuple[str, str]]:
    every = [(section, name) for section, model in sections().items() for name in model.model_fields]
    secrets = {variable(section, name): (section, name) for name, (section, _) in SECRETS.items()}
    return {variable(*item): item for item in every} | secrets


def read(environ: Mapping[str, str]) -> tuple[dict[str, dict[str, Any]], dict[str, str], list[Mistake]]:
    """The keys that ``environ`` sets, the secrets that it holds (by `SECRETS`), and the variables that set nothing.

    A variable that is set but empty counts as not set. Variables of our prefix that do not look like a key are left
    to the command line.
    """
    known = _known()
    keys: dict[str, dict[str, Any]] = {}
    secrets: dict[str, str] = {}
    mistakes: list[Mistake] = []
    for name, value in environ.items():
        if not name.startswith(ENV_PREFIX) or value == "":
            continue
        section, wanted = known.get(name, ("", ""))
        if wanted in SECRETS:
            secrets[wanted] = value
        elif wanted:
            keys.setdefault(section, {})[wanted] = _read(name, value, section, wanted)
        elif (mistake := _stray(name, known)) is not None:
            mistakes.append(mistake)
    return keys, secrets, mistakes


def _read(name: str, value: str, section: str, wanted: str) -> Any:
    try:
        return _Source({name: value})()[section][wanted]
    except (ValueError, RecursionError):  # its JSON has an integer too long, or is nested too deeply
        return value


def _stray(name: str, known: Mapping[str, tuple[str, str]]) -> Mistake | None:
    rest = name.removeprefix(ENV_PREFIX)
    if rest.lower() in sections():
        meant = f"set its keys one by one, as {ENV_PREFIX}{rest}{ENV_DELIMITER}KEY"
        return Mistake(origin=name, found="a whole section", expected=meant)
    likely = nearest(name.lower(), [item.lower() for item in known])
    if ENV_DELIMITER not in rest and name.replace("_", "") not in {item.replace("_", "") for item in known}:
        return None
    expected = f"did you mean {likely.upper()}?" if likely else f"known are {ENV_PREFIX}SECTION{ENV_DELIMITER}KEY"
    return Mistake(origin=named(name), found="no such key", expected=expected)
