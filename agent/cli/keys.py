"""The keys of the recordings: made, and looked at without showing any."""

import json as json_
import os
import secrets
from pathlib import Path
from typing import Annotated

import typer

from agent.cli.common import PROBLEMS, STORE, USAGE, ConfigPath, Json, fail, group, line, settings
from agent.config import ConfigError, site_key
from agent.ports import StoreError
from agent.stores.vault.examining import Counts, examine
from agent.stores.vault.opening import sync_folder

keys = group("keys", help="The keys that recordings are encrypted with; none of them is ever shown.")

_SITE_KEY_BYTES = 32


@keys.command()
def init(
    context: typer.Context,
    file: Annotated[
        Path | None, typer.Argument(help="Where to write it; by default site_key_file under [keys].")
    ] = None,
    config: ConfigPath = None,
) -> None:
    """Make a site key, in a file that is not there yet."""
    configured = settings(context, config, secrets_required=False).keys.site_key_file
    path = file if file is not None else configured
    if path is None:
        fail(USAGE, "no file is named", "name it after the command, or as site_key_file under [keys]")
    try:
        _write(path, secrets.token_hex(_SITE_KEY_BYTES) + "\n")
    except FileExistsError:
        fail(
            USAGE,
            f"{path} is there already, and was left as it is",
            "what a site key encrypted, no other opens; name another file",
        )
    except (OSError, ValueError) as error:  # ValueError: no path at all.
        reason = error.strerror if isinstance(error, OSError) else "no file can have that name"
        fail(USAGE, f"{path} cannot be made: {reason}", "name a file in a folder that you may write to")
    line(f"{path} holds a new site key.")
    line(
        "Recordings cannot be opened without it, by anybody: keep a copy of it in another, safe place, away from them."
    )
    if configured is None or configured.absolute() != path.absolute():
        line(f'To have the agent use it, set site_key_file = "{path.absolute()}" under [keys].')


@keys.command()
def status(context: typer.Context, json: Json = False, config: ConfigPath = None) -> None:
    """Tell whether there is a site key, whether it opens the keyring, and how many keys that holds.

    Exit code 1 if recordings that are kept cannot be opened.
    """
    configured = settings(context, config, secrets_required=False)
    try:
        given = site_key(configured, os.environ)
    except ConfigError as error:
        fail(USAGE, str(error))
    try:
        found = examine(configured.keyring, given)
    except StoreError as error:
        fail(STORE, str(error), error.hint)
    counts, opens = (found.counts, found.opens) if found is not None else (Counts(accounts=0, recordings=0), None)
    if json:
        told = {"site_key": given is not None, "keyring": found is not None, "opens": opens}
        line(json_.dumps(told | {"accounts": counts.accounts, "recordings": counts.recordings}))
    else:
        line("site key: given" if given is not None else "site key: none; nothing is recorded")
        line(f"keyring: {_words(opens, given=given is not None)}")
        line(f"keys: {counts.accounts} of accounts, {counts.recordings} of recordings")
    raise typer.Exit(PROBLEMS if opens is False else 0)


def _words(opens: bool | None, *, given: bool) -> str:
    if opens is None:
        return "none yet; the agent makes it"
    if opens:
        return "the site key opens it"
    return "the site key is another than it was made with" if given else "closed without its site key"


def _write(path: Path, text: str) -> None:
    """A new file of mode 0600 with ``text``, safely on the disk or not there."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    whole = False
    try:
        with open(descriptor, "w", encoding="ascii") as file:
            os.fchmod(file.fileno(), 0o600)  # Whatever the umask took.
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        sync_folder(path.parent)
        whole = True
    finally:
        if not whole:
            path.unlink(missing_ok=True)
