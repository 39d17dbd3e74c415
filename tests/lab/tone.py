"""What a phone of the lab says so that it can be found again: noise that no other data holds."""

# G.711 A-law of 8 kHz, 20 ms a frame, as SIPp sends it
RATE = 8000
FRAME = 160


def prompt_tone(number: int) -> bytes:
    """Half a second of a square wave in A-law: 200 Hz, 400 Hz … for 1, 2 …, so that prompts differ."""
    half = RATE // (400 * number)
    return ((b"\xa5" * half + b"\x25" * half) * RATE)[: RATE // 2]
