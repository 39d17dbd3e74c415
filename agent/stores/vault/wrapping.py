"""Keys under keys: what is derived from a key, and how one key is kept under another."""

import os
from hmac import compare_digest

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SALT_BYTES = 16

_NONCE_BYTES = 12


class Unwrapped(Exception):
    """A wrapped key was changed, or is another's."""


class SiteKeys:
    """What is derived from the site key for one keyring; the site key itself encrypts nothing."""

    def __init__(self, site_key: bytes, salt: bytes) -> None:
        self.wrapping = derived(site_key, "keyring 1 wrapping", salt)
        self.proof = derived(site_key, "keyring 1 proof", salt)
        #: What accounts were hashed with before a keyring had a key of its own for it.
        self.hashing = derived(site_key, "keyring 1 accounts", salt)

    def proves(self, proof: bytes) -> bool:
        """Whether ``proof`` was derived from the same site key."""
        return compare_digest(self.proof, proof)


def derived(key: bytes, purpose: str, salt: bytes | None = None) -> bytes:
    """A key of 32 bytes for one purpose, by HKDF-SHA256."""
    info = f"telephony-agent {purpose}".encode()
    return HKDF(algorithm=SHA256(), length=32, salt=salt, info=info).derive(key)


def wrap(key: bytes, under: bytes, context: str) -> bytes:
    """``key`` encrypted (AES-256-GCM, random nonce), to be opened with the same ``context`` only."""
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(under).encrypt(nonce, key, context.encode())


def unwrap(wrapped: bytes, under: bytes, context: str) -> bytes:
    """The key that was wrapped.

    Raises:
        Unwrapped: it was changed, or wrapped under another key or in another context.
    """
    try:
        return AESGCM(under).decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], context.encode())
    except (InvalidTag, ValueError):  # ValueError: too short to be one.
        raise Unwrapped from None
