"""The site key in escrow: in a file that a passphrase opens, for the day on which the site key is lost.

The first line names the format and is the associated data; lines that begin with ``#`` are for people; the last is
base64 (RFC 4648) of a salt (16 bytes), a nonce (12) and the site key under AES-256-GCM (48). The key of that is scrypt
(RFC 7914; N = 131072, r = 8, p = 1, 32 bytes) of the passphrase in UTF-8 and Unicode's form NFC.
"""

import os
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from unicodedata import normalize

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from agent.stores.vault.sealed import KEY_BYTES

#: Shorter passphrases are guessed, by whoever finds the file.
LEAST_CHARACTERS = 16
#: No escrow is longer.
MOST_BYTES = 4096

_FORMAT = "telephony-agent site key escrow 1"
_SALT_BYTES, _NONCE_BYTES, _TAG_BYTES = 16, 12, 16
_COST, _BLOCK = 1 << 17, 8  # 128 MiB and a good part of a second for each guess


class NoEscrow(Exception):
    """It is no escrow of a site key, or was changed so that it shows."""


class WrongPassphrase(Exception):
    """It opens not the escrow, unless that was changed."""


def sealed(site_key: bytes, passphrase: str, made: str) -> str:
    """The text of an escrow; ``made`` is the date that it shows."""
    salt, nonce = os.urandom(_SALT_BYTES), os.urandom(_NONCE_BYTES)
    content = salt + nonce + AESGCM(_stretched(passphrase, salt)).encrypt(nonce, site_key, _FORMAT.encode())
    return (
        f"{_FORMAT}\n"
        f"# Made {made}. Whoever has this file and its passphrase can open everything that the agent keeps.\n"
        "# To use it: telephony-agent keys escrow restore THIS-FILE NEW-SITE-KEY-FILE\n"
        "# scrypt N=131072 r=8 p=1, AES-256-GCM (data: the first line); base64 of salt 16, nonce 12, ciphertext 48\n"
        f"{b64encode(content).decode()}\n"
    )


def opened(text: str, passphrase: str) -> bytes:
    """The site key.

    Raises:
        NoEscrow, WrongPassphrase: it is not to be had.
    """
    name, *lines = [line for line in text.splitlines() if line and not line.startswith("#")] or [""]
    try:
        content = b64decode(lines[0], validate=True) if len(lines) == 1 and name == _FORMAT else b""
    except (NotBase64, ValueError):  # ValueError: it is not ASCII.
        content = b""
    if len(content) != _SALT_BYTES + _NONCE_BYTES + KEY_BYTES + _TAG_BYTES:
        raise NoEscrow
    salt, nonce = content[:_SALT_BYTES], content[_SALT_BYTES : _SALT_BYTES + _NONCE_BYTES]
    try:
        return AESGCM(_stretched(passphrase, salt)).decrypt(
            nonce, content[_SALT_BYTES + _NONCE_BYTES :], _FORMAT.encode()
        )
    except InvalidTag:
        raise WrongPassphrase from None


def _stretched(passphrase: str, salt: bytes) -> bytes:
    secret = normalize("NFC", passphrase).encode(errors="surrogatepass")
    return Scrypt(salt=salt, length=KEY_BYTES, n=_COST, r=_BLOCK, p=1).derive(secret)
