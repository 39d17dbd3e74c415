"""Texts as SQLite takes them."""


def storable(value: str) -> str:
    """``value`` as it is stored: a header that is no UTF-8 may arrive as lone surrogates, which SQLite refuses."""
    # better a "?" than no record
    return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")
