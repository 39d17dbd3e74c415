"""What somebody else named, as a terminal may be shown it."""


def printable(text: str) -> str:
    """``text``, with whatever would steer a terminal, or turn round or hide the rest of the line, escaped."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)
