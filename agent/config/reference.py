"""The commented reference of every section and key, as a TOML file that sets each key to its default."""

import json
from textwrap import wrap

from agent.config.model import key, sections
from agent.config.values import Listen

_HEAD = """\
# The configuration of telephony-agent: every key with its default. Leave out what needs no change.
# Each can also be set by an environment variable TELEPHONY_AGENT_SECTION__KEY, which beats this file:
# TELEPHONY_AGENT_AMI__HOST=192.0.2.5, and a list as TELEPHONY_AGENT_EMERGENCY__NUMBERS=999,112
# Relative paths begin at this file's folder. No secret ever stands in this file.
"""


def reference() -> str:
    """The file's text; a key without a default stands as a comment with an example."""
    parts = [_HEAD]
    for section, model in sections().items():
        if not model.model_fields:
            continue
        parts.append(f"\n# {model.__doc__}\n[{section}]\n")
        for name, field in model.model_fields.items():
            about = key(section, name)
            parts += [
                f"# {line}\n" for line in wrap(f"{about.meaning} Takes {about.takes}.", 110, break_on_hyphens=False)
            ]
            unset = field.default is None
            parts.append(f"#{name} = {about.example}\n" if unset else f"{name} = {_toml(field.default)}\n")
    return "".join(parts)


def _toml(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, str | Listen):
        return json.dumps(str(value))
    raise TypeError(f"no TOML for {type(value).__name__}")
