"""The secrets, from files, the environment or systemd's credentials, and never from the configuration file itself."""

import binascii
import os
import re
import stat
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any

from pydantic import SecretBytes, SecretStr

from agent.config.environment import SECRETS, Place, variable
from agent.config.mistakes import Mistake, shown

_MOST_BYTES = 4096
_ALONE = "the secret alone, on one line"
_LONGEST = 900  # AMI refuses a line of more than 1,024 bytes
_SITE_KEY_BYTES = 32


#: The secrets of `[ami]`, and the key that names the file of each.
_FILE_KEYS = {name: file_key for name, (section, file_key) in SECRETS.items() if section == "ami"}


def is_path(value: object) -> bool:
    """Whether a file can have this name."""
    return isinstance(value, str | Path) and bool(str(value)) and "\0" not in str(value)


class Refused(Exception):
    """A secret cannot be taken, as ``found`` and ``expected`` say.

    ``key`` is the one to show an example of, ``command`` the one to run.
    """

    def __init__(self, found: str, expected: str, *, key: str = "", command: str = "") -> None:
        super().__init__(found)
        self.found, self.expected, self.key, self.command = found, expected, key, command


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What the operator wrote under ``[ami]`` and ``[keys]``, right or wrong.

    ``places`` tells where each key of the two is, or would be, set; ``given`` are the secrets in the environment, by
    `SECRETS`; relative paths begin at ``folder``; ``systemd`` is its $CREDENTIALS_DIRECTORY; ``whole`` is False when a
    part could not be read, so that nothing can be said to be missing.
    """

    ami: Mapping[str, Any]
    keys: Mapping[str, Any]
    places: Mapping[str, Place]
    given: Mapping[str, str]
    folder: Path
    systemd: Path | None
    whole: bool


def secrets(written: Written) -> tuple[dict[str, SecretStr], list[Mistake]]:
    """The secrets of ``[ami]`` by name, and every mistake about them and about ``ca_file``."""
    found: dict[str, SecretStr] = {}
    mistakes: list[Mistake] = []
    for name in _FILE_KEYS:
        try:
            text = _secret(written, name)
        except Refused as refused:
            mistakes.append(_about(written, "ami", name, refused))
        else:
            if text is not None:
                found[name] = SecretStr(text)
    try:
        _check_ca(written)
    except Refused as refused:
        mistakes.append(_mistake(written.places["ca_file"], "ami", "ca_file", refused))
    return found, mistakes


def site_key(written: Written) -> tuple[SecretBytes | None, list[Mistake]]:
    """The site key, None when there is none, and every mistake about it."""
    try:
        text = _site_key(written)
        return (None if text is None else SecretBytes(_key_bytes(text))), []
    except Refused as refused:
        return None, [_about(written, "keys", "site_key", refused)]


def site_key_in(file: Path) -> bytes | None:
    """The site key that ``file`` holds; None where there is none that can be taken."""
    try:
        return _key_bytes(alone(file, str(file)))
    except Refused:
        return None


def _site_key(written: Written) -> str | None:
    file, given = written.keys.get("site_key_file"), written.given.get("site_key")
    if file is not None and given is not None:
        raise Refused("the site key is given twice", f"either the file or {variable('keys', 'site_key')}, not both")
    if given is not None:
        return _checked(given, "the site key")
    if file is not None:
        return _from_file(written, file)
    return _from_systemd(written, "site-key")


def _key_bytes(text: str) -> bytes:
    """The key that ``text`` spells, in hexadecimal or in base64."""
    if re.fullmatch(r"[0-9a-fA-F]{64}", text):
        return bytes.fromhex(text)
    try:
        key = b64decode(text, validate=True)
    except (binascii.Error, ValueError):  # ValueError: it is not ASCII.
        key = b""
    if len(key) != _SITE_KEY_BYTES:
        raise Refused(
            "what is given is no site key",
            f"{_SITE_KEY_BYTES} random bytes as 64 hexadecimal digits, or in base64",
            command="telephony-agent keys init /etc/telephony-agent/site-key",
        )
    return key


def _about(written: Written, section: str, name: str, refused: Refused) -> Mistake:
    file_key = SECRETS[name][1]
    by_variable = name in written.given and file_key not in getattr(written, section)
    place = Place(origin=variable(section, name)) if by_variable else written.places[file_key]
    return _mistake(place, section, name if by_variable else file_key, refused)


def _mistake(place: Place, section: str, name: str, refused: Refused) -> Mistake:
    return Mistake(
        origin=place.origin,
        line=place.line,
        key=f"{section}.{name}",
        found=refused.found,
        expected=refused.expected,
        example=refused.command or (place.example(section, refused.key) if refused.key else ""),
    )


def _secret(written: Written, name: str) -> str | None:
    file_key = _FILE_KEYS[name]
    wanted = name == "secret" or "express_username" in written.ami
    file, given = written.ami.get(file_key), written.given.get(name)
    if not wanted and (file is not None or given is not None) and written.whole:
        raise Refused("a secret without its user", "set express_username too", key="express_username")
    if file is not None and given is not None:
        raise Refused("the secret is given twice", f"either the file or {variable('ami', name)}, not both")
    if given is not None:
        return _checked(given, "the secret")
    if file is not None:
        return _from_file(written, file)
    if wanted and (text := _from_systemd(written, f"ami-{name.replace('_', '-')}")) is not None:
        return text
    if wanted and written.whole:
        raise Refused("no secret is given", f"name a file that holds it, or set {variable('ami', name)}", key=file_key)
    return None


def _from_systemd(written: Written, name: str) -> str | None:
    if written.systemd is None or not _there(written.systemd / name):
        return None
    named = f"the systemd credential {name}"
    return _checked(_read(written.systemd / name, named, guarded=False), named)


def _there(file: Path) -> bool:
    """Whether it is there, or in a folder that may not be looked into, which reading it then tells."""
    try:
        return file.exists()
    except OSError:
        return True


def _from_file(written: Written, name: object) -> str | None:
    if not is_path(name):
        return None  # told with the other wrong values
    file = written.folder / str(name)
    named = f"the file of that name in {written.folder}"
    if str(name).startswith(("/", "./", "../")):  # a bare word may be the secret itself, put in the wrong place
        named = shown(str(name))
    return _checked(_read(file, named, guarded=file.parent != written.systemd), named)


def _check_ca(written: Written) -> None:
    file = written.ami.get("ca_file")
    if not is_path(file):
        return
    if written.whole and not written.ami.get("tls"):
        raise Refused("certificates without TLS", "set tls too, or leave ca_file out", key="tls")
    if not (written.folder / str(file)).is_file():
        raise Refused(f"no file {shown(str(file))}", "a file of certificates in PEM")


def alone(file: Path, named: str) -> str:
    """The secret that ``file``, called ``named`` to the operator, holds alone.

    Raises:
        Refused: it cannot be read, others than its owner may use it, or it holds something else.
    """
    return _checked(_read(file, named, guarded=True), named)


def _read(file: Path, named: str, *, guarded: bool) -> str:
    """The content; ``guarded``: nobody but its owner may read it (systemd guards the folder of its credentials)."""
    try:
        with open(os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as opened:
            mode = os.fstat(opened.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise Refused(f"{named} is no regular file", "a file that holds the secret alone")
            if guarded and mode & 0o077:
                raise Refused(
                    f"{named} has mode {stat.S_IMODE(mode):04o}: others than its owner may use it",
                    "a file for the agent's user alone",
                    command=f"chmod 600 {quote(str(file))}",
                )
            content = opened.read(_MOST_BYTES + 1)
    except OSError as error:
        raise Refused(
            f"{named} cannot be read: {os.strerror(error.errno or 0)}", "a file that the agent may read"
        ) from None
    if len(content) > _MOST_BYTES:
        raise Refused(f"{named} is longer than {_LONGEST} bytes", _ALONE)
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise Refused(f"{named} is not UTF-8 text", _ALONE) from None


def _checked(text: str, where: str) -> str:
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise Refused(f"{where} is empty", _ALONE)
    if not text.isprintable():
        raise Refused(f"{where} holds a line break or an unprintable character", _ALONE)
    if len(text.encode()) > _LONGEST:
        raise Refused(f"{where} is longer than {_LONGEST} bytes", _ALONE)
    return text
