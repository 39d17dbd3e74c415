"""Wave files as Asterisk writes them: 8 kHz, 16 bits, one channel."""

import struct


def wave(data_bytes: int, *, declared: int | None = None, rate: int = 8000, channels: int = 1) -> bytes:
    """A wave file with so many bytes of sound; ``declared``: what its header says instead."""
    told = data_bytes if declared is None else declared
    frame = 2 * channels
    sound = b"".join(struct.pack("<h", n * 7919 % 65_536 - 32_768) for n in range(data_bytes // 2))
    return (
        b"RIFF"
        + struct.pack("<I", 36 + told)
        + b"WAVEfmt "
        + struct.pack("<IHHIIHH", 16, 1, channels, rate, rate * frame, frame, 16)
        + b"data"
        + struct.pack("<I", told)
        + sound
        + b"\0" * (data_bytes % 2)
    )
