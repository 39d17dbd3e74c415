"""Keys under keys: what is derived from the site key, and how one key is kept under another."""

import os
from hmac import compare_digest
from hmac import digest as hmac_digest

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SALT_BYTES = 16

_NONCE_BYTES = 12


class Unwrapped(Exception):
    """A wrapped key was changed, or is another's."""


class SiteKeys:
    """What is derived from the site key for one keyring, by HKDF-SHA256; the site key itself encrypts nothing."""

    def __init__(self, site_key: bytes, salt: bytes) -> None:
        def derived(purpose: str) -> bytes:
            info = f"telephony-agent keyring 1 {purpose}".encode()
            return HKDF(algorithm=SHA256(), length=32, salt=salt, info=info).derive(site_key)

        self.wrapping = derived("wrapping")
        self.proof = derived("proof")
        self._hashing = derived("accounts")

    def proves(self, proof: bytes) -> bool:
        """Whether ``proof`` was derived from the same site key."""
        return compare_digest(self.proof, proof)

    def hashed(self, account: str) -> bytes:
        """What stands for ``account``, of which nobody without the site key learns who it is."""
        return hmac_digest(self._hashing, account.encode(), "sha256")


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
