"""The keys of recordings and fields: made, changed for others, and looked at without showing any."""

import json as json_
import os
import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated

import typer

from agent.cli.common import PROBLEMS, STORE, USAGE, ConfigPath, Json, fail, group, line, settings
from agent.config import Config, ConfigError, site_key, site_key_in, site_keys
from agent.core.instants import rfc3339
from agent.core.personal import STANDING
from agent.core.printable import printable
from agent.ports import StoreError
from agent.stores.vault import Counts, Examined, Keyring, examine
from agent.stores.vault.keyfile import write_new
from agent.stores.vault.rotation import KeyFile
from agent.stores.vault.rotation import rotate as rotate_

keys = group("keys", help="The keys that recordings and numbers are encrypted with; none of them is ever shown.")

_SITE_KEY_BYTES = 32
#: The month under which keys stand of what ends when somebody ends it, a line's name for one.
_STANDING = rfc3339(STANDING)[:7]
_NO_KEYRING = Examined(counts=Counts(accounts=0, recordings=0), opens=False)


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
    write_key(path, secrets.token_bytes(_SITE_KEY_BYTES))
    line(f"{printable(str(path))} holds a new site key.")
    line("What the agent encrypts cannot be opened without it, by anybody; nobody can make it again.")
    line(
        "Only an escrow survives its loss: once the agent has started, run `telephony-agent keys escrow export FILE`,"
        " and keep a copy of that file and its passphrase in safe places, apart from one another and from here."
    )
    if configured is None or configured.absolute() != path.absolute():
        line(f'To have the agent use it, set site_key_file = "{printable(str(path.absolute()))}" under [keys].')


@keys.command()
def status(context: typer.Context, json: Json = False, config: ConfigPath = None) -> None:
    """Tell whether there is a site key, whether it opens the keyring, which keys that holds, and of the escrow.

    Exit code 1 if what is kept cannot be opened.
    """
    configured = settings(context, config, secrets_required=False)
    given = given_key(configured)
    try:
        found = examine(configured.keyring, given)
        former = configured.keys.former_site_key_file
        old_key = site_key_in(former) if former is not None else None
        interrupted = found is not None and not found.opens and old_key is not None
        if interrupted:
            interrupted = _opens(examine(configured.keyring, old_key))
    except StoreError as error:
        fail(STORE, str(error), error.hint)
    opens, seen = (found.opens, found) if found is not None else (None, _NO_KEYRING)
    if json:
        line(json_.dumps(_told(seen, given is not None, found is not None) | {"interrupted": interrupted}))
    else:
        line("site key: given" if given is not None else "site key: none; nothing is recorded or encrypted")
        line(f"keyring: {_words(opens, given=given is not None, interrupted=interrupted)}")
        line(f"keys: {seen.counts.accounts} of accounts and lines, {seen.counts.recordings} of recordings")
        line(f"months with a key: of fields {_span(seen.periods)}, of their index {_span(seen.epochs)}")
        line(f"escrow: {_escrow(seen, there=found is not None)}")
        if former is not None and os.path.lexists(former):
            line(f"old site key: {former} is still there; the agent's next start destroys it")
    raise typer.Exit(PROBLEMS if opens is False else 0)


@keys.command()
def rotate(context: typer.Context, config: ConfigPath = None) -> None:
    """Put everything under a new site key, beside the running agent; also goes on with a rotation that was cut off.

    The site key must be in the file that site_key_file names. The one before stays beside it, as .old, until the agent
    has started with the new one.
    """
    configured = settings(context, config, secrets_required=False)
    path, former = configured.keys.site_key_file, configured.keys.former_site_key_file
    if path is None or former is None:
        fail(USAGE, "no file of the site key is named", "name it as site_key_file under [keys], for this command too")
    with open_keyring(configured) as (keyring, _):
        done = rotate_(keyring, KeyFile(path=path, former=former, read=site_key_in))
    line(
        "The rotation that was interrupted is complete."
        if done.resumed
        else f"{printable(str(path))} holds a new site key."
    )
    line(f"{done.keys} keys were put under it; {former} opens nothing but earlier copies of the keyring, and goes")
    line("when the agent next starts.")
    line("An escrow made before this is of the old site key: run `telephony-agent keys escrow export FILE`.")
    line("An agent that gets the site key by a variable or as a systemd credential must be started anew now.")


def given_key(configured: Config) -> bytes | None:
    """The site key, None where none is given; ends the command where it cannot be taken."""
    try:
        return site_key(configured, os.environ)
    except ConfigError as error:
        fail(USAGE, str(error))


@contextmanager
def open_keyring(configured: Config) -> Iterator[tuple[Keyring, bytes]]:
    """The keyring, which is there, and the site key; ends the command with one sentence where it cannot be used."""
    given = given_key(configured)
    if given is None:
        fail(USAGE, "no site key is given", "name its file as site_key_file under [keys]")
    try:
        if examine(configured.keyring, given) is None:
            fail(STORE, f"there is no keyring {configured.keyring} yet", "the agent makes it when it first starts")
        with closing(Keyring(configured.keyring, given, lambda: site_keys(configured, os.environ))) as keyring:
            yield keyring, given
    except StoreError as error:
        fail(STORE, str(error), error.hint)


def write_key(path: Path, key: bytes) -> None:
    """A new file with a site key; ends the command where it cannot be made."""
    write_secret(path, key.hex() + "\n", "what a site key encrypted, no other opens; name another file")


def write_secret(path: Path, text: str, taken: str) -> None:
    """A new file for its owner's eyes; ends the command where there is something (``taken`` tells what to do then)."""
    try:
        write_new(path, text)
    except FileExistsError:
        fail(USAGE, f"{path} is there already, and was left as it is", taken)
    except (OSError, ValueError) as error:  # ValueError: no path at all.
        reason = error.strerror if isinstance(error, OSError) else "no file can have that name"
        fail(USAGE, f"{path} cannot be made: {reason}", "name a file in a folder that you may write to")


def _told(seen: Examined, given: bool, there: bool) -> dict[str, object]:
    return {
        "site_key": given,
        "keyring": there,
        "opens": seen.opens if there else None,
        "accounts": seen.counts.accounts,
        "recordings": seen.counts.recordings,
        "periods": seen.periods,
        "epochs": seen.epochs,
        "escrowed_at": None if seen.escrowed_at is None else rfc3339(seen.escrowed_at),
    }


def _opens(seen: Examined | None) -> bool:
    return seen is not None and seen.opens


def _words(opens: bool | None, *, given: bool, interrupted: bool) -> str:
    if opens is None:
        return "none yet; the agent makes it"
    if opens:
        return "the site key opens it"
    if interrupted:
        return "a rotation was interrupted; run `telephony-agent keys rotate` to end it"
    return "the site key is another than it was made with" if given else "closed without its site key"


def _span(keys: tuple[str, ...]) -> str:
    """The months of keys, each of which may be a month's for several terms."""
    found = {key[:7] for key in keys}
    months = sorted(found - {_STANDING})
    span = f"{len(months)} ({months[0]} to {months[-1]})" if len(months) > 1 else "".join(months) or "none"
    return f"{span} and of what stands" if _STANDING in found else span


def _escrow(seen: Examined, *, there: bool) -> str:
    if seen.escrowed_at is not None:
        return f"this site key was put there at {rfc3339(seen.escrowed_at)}"
    hint = "; its loss would be the loss of all: `telephony-agent keys escrow export FILE`" if there else ""
    return f"none of this site key{hint}"
