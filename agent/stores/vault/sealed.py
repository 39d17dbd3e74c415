"""The sealed file: a stream of bytes, encrypted and authenticated chunk by chunk.

The construction is STREAM (Hoang, Reyhanitabar, Rogaway and Vizár, CRYPTO 2015) as in the `age` format, version 1:
chunks of 64 KiB, the last one shorter or full, each under AES-256-GCM with its number and whether it is the last as the
nonce. The header, which holds the recording's id, is the associated data of every chunk.
"""

from collections.abc import Iterator
from hashlib import sha256
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

CHUNK_BYTES = 1 << 16
KEY_BYTES = 32

_MAGIC = b"TELAREC\x01"  # The last byte is the format's version.
_TAG_BYTES = 16
_BLOCK_BYTES = CHUNK_BYTES + _TAG_BYTES


class Damaged(Exception):
    """A sealed file is not what was sealed under this key and this id."""


def header(id: str) -> bytes:
    """What a sealed file begins with."""
    name = id.encode()
    return _MAGIC + len(name).to_bytes(1, "big") + name


def seal(source: BinaryIO, sink: BinaryIO, key: bytes, id: str) -> tuple[int, str]:
    """Encrypt ``source`` into ``sink``; how many bytes were read, and the SHA-256 of what was written.

    ``key`` must be fresh: two files under one key would give both away.

    Raises:
        OSError: one of them failed.
    """
    aead, head = AESGCM(key), header(id)
    digest, size = sha256(head), 0
    sink.write(head)
    chunk = _filled(source, CHUNK_BYTES)
    number, last = 0, False
    while not last:
        following = _filled(source, CHUNK_BYTES) if len(chunk) == CHUNK_BYTES else b""
        last = not following
        block = aead.encrypt(_nonce(number, last=last), chunk, head)
        sink.write(block)
        digest.update(block)
        size += len(chunk)
        chunk, number = following, number + 1
    return size, digest.hexdigest()


def unseal(source: BinaryIO, key: bytes, id: str) -> Iterator[bytes]:
    """The bytes that were sealed, chunk by chunk, none of them before its whole chunk is proved right.

    Raises:
        Damaged: the next chunk is not what was sealed, or not there; those before it were right.
        OSError: ``source`` failed.
    """
    aead, head = AESGCM(key), header(id)
    if _filled(source, len(head)) != head:
        raise Damaged
    block = _filled(source, _BLOCK_BYTES)
    number, last = 0, False
    while not last:
        following = _filled(source, _BLOCK_BYTES) if len(block) == _BLOCK_BYTES else b""
        last = not following
        try:
            chunk = aead.decrypt(_nonce(number, last=last), block, head)
        except (InvalidTag, ValueError):  # ValueError: shorter than a tag.
            raise Damaged from None
        if chunk:
            yield chunk
        block, number = following, number + 1


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])


def _filled(source: BinaryIO, size: int) -> bytes:
    """``size`` bytes, fewer only at the end: a raw read may stop short before it."""
    data = source.read(size)
    while 0 < len(data) < size and (more := source.read(size - len(data))):
        data += more
    return data
