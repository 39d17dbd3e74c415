"""A sealed file gives back what was sealed, and nothing of a chunk that anybody changed."""

import io
import os
import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.stores.vault.sealed import CHUNK_BYTES, Damaged, header, seal, unseal

ID = "0123456789abcdef"
BLOCK = CHUNK_BYTES + 16
#: Around the border of a chunk, where an off-by-one would lose or add one.
SIZES = [0, 1, 43, 44, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES - 1, 2 * CHUNK_BYTES, 200_001]


def sealed(plain: bytes, key: bytes, id: str = ID) -> bytes:
    sink = io.BytesIO()
    size, _ = seal(io.BytesIO(plain), sink, key, id)
    assert size == len(plain)
    return sink.getvalue()


def given_out(data: bytes, key: bytes, id: str = ID) -> tuple[bytes, bool]:
    """What is given out of it, and whether it came to a right end."""
    out = b""
    try:
        for chunk in unseal(io.BytesIO(data), key, id):
            out += chunk
    except Damaged:
        return out, False
    return out, True


def blocks(data: bytes) -> tuple[bytes, list[bytes]]:
    head, rest = data[: len(header(ID))], data[len(header(ID)) :]
    return head, [rest[at : at + BLOCK] for at in range(0, len(rest), BLOCK)]


@pytest.mark.parametrize("size", SIZES)
def test_what_was_sealed_comes_back(size: int) -> None:
    key, plain = os.urandom(32), os.urandom(size)
    data = sealed(plain, key)
    assert given_out(data, key) == (plain, True)
    chunks = max(1, -(-size // CHUNK_BYTES))
    assert len(data) == len(header(ID)) + size + 16 * chunks
    for at in range(0, size - 16, 4096):
        assert plain[at : at + 16] not in data


@settings(deadline=None, max_examples=200)
@given(st.data(), st.sampled_from(SIZES[1:]))
def test_a_changed_bit_anywhere_is_noticed_before_its_chunk_is_given_out(data: st.DataObject, size: int) -> None:
    key, plain = bytes(range(32)), os.urandom(size)
    whole = bytearray(sealed(plain, key))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= 1 << data.draw(st.integers(0, 7))
    out, right = given_out(bytes(whole), key)
    assert not right
    touched = max(0, at - len(header(ID))) // BLOCK
    assert out == plain[: touched * CHUNK_BYTES]


@settings(deadline=None, max_examples=200)
@given(st.data(), st.sampled_from(SIZES))
def test_a_file_cut_short_anywhere_is_noticed(data: st.DataObject, size: int) -> None:
    key, plain = bytes(range(32)), os.urandom(size)
    whole = sealed(plain, key)
    borders = list(range(len(header(ID)), len(whole), BLOCK))
    at = data.draw(st.sampled_from(borders) | st.integers(0, len(whole) - 1))
    out, right = given_out(whole[:at], key)
    assert not right
    assert plain.startswith(out)
    assert len(out) <= max(0, at - len(header(ID))) // BLOCK * CHUNK_BYTES


@settings(deadline=None, max_examples=50)
@given(st.binary(min_size=1, max_size=100), st.sampled_from(SIZES))
def test_appended_bytes_are_noticed(more: bytes, size: int) -> None:
    key, plain = bytes(range(32)), os.urandom(size)
    out, right = given_out(sealed(plain, key) + more, key)
    assert not right
    assert plain.startswith(out)
    assert len(out) < size or not size


@settings(deadline=None, max_examples=100)
@given(st.permutations(range(4)), st.lists(st.integers(0, 3), min_size=1, max_size=6))
def test_chunks_in_another_order_are_noticed(order: list[int], picked: list[int]) -> None:
    key, plain = bytes(range(32)), os.urandom(3 * CHUNK_BYTES + 5)
    head, parts = blocks(sealed(plain, key))
    for mixed in (order, picked):
        out, right = given_out(head + b"".join(parts[n] for n in mixed), key)
        assert right is (mixed == [0, 1, 2, 3])
        assert plain.startswith(out)


def test_another_recordings_file_or_key_is_refused() -> None:
    key, plain = os.urandom(32), b"x" * 1000
    data = sealed(plain, key)
    assert given_out(data, key, "f" * 16) == (b"", False)
    assert given_out(data, os.urandom(32)) == (b"", False)
    renamed = header("f" * 16) + data[len(header(ID)) :]
    assert given_out(renamed, key, "f" * 16) == (b"", False)
    assert given_out(b"", key) == (b"", False)
    assert given_out(b"RIFF" + data, key) == (b"", False)


def test_reads_that_stop_short_do_not_end_the_recording() -> None:
    class Trickle(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(min(1000, size if size is not None and size >= 0 else 1000))

    key, plain, sink = os.urandom(32), os.urandom(150_000), io.BytesIO()
    assert seal(Trickle(plain), sink, key, ID)[0] == len(plain)
    assert b"".join(unseal(Trickle(sink.getvalue()), key, ID)) == plain


def test_an_hour_takes_no_more_memory_than_a_second() -> None:
    class Silence(io.RawIOBase):
        """57.6 MB of zeros: one hour as Asterisk records it."""

        left = 57_600_000

        def read(self, size: int = -1) -> bytes:
            taken = min(size, self.left)
            self.left -= taken
            return bytes(taken)

    class Counted(io.RawIOBase):
        written = 0

        def write(self, data: object) -> int:
            self.written += len(bytes(data))  # type: ignore[call-overload]
            return len(bytes(data))  # type: ignore[call-overload]

    sink = Counted()
    tracemalloc.start()
    try:
        size, _ = seal(Silence(), sink, os.urandom(32), ID)  # type: ignore[arg-type]
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size == 57_600_000 < sink.written
    assert most < 2_000_000


def test_reading_takes_one_chunk_after_another(tmp_path_factory: pytest.TempPathFactory) -> None:
    key, plain = os.urandom(32), os.urandom(5 * CHUNK_BYTES)
    source = io.BytesIO(sealed(plain, key))
    stream: Iterator[bytes] = unseal(source, key, ID)
    assert next(stream) == plain[:CHUNK_BYTES]
    assert source.tell() <= len(header(ID)) + 2 * BLOCK
