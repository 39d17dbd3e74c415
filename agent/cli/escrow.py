"""The commands about the escrow of the site key: a file that its passphrase opens when the site key is lost."""

import os
from pathlib import Path
from typing import Annotated

import typer

from agent import world
from agent.cli.common import PROBLEMS, STORE, USAGE, ConfigPath, fail, group, line, settings
from agent.cli.keys import given_key, open_keyring, write_key, write_secret
from agent.cli.passphrase import Fd, File, passphrase
from agent.core.instants import rfc3339
from agent.core.printable import printable
from agent.ports import StoreError
from agent.stores.vault import examine
from agent.stores.vault.escrow import LEAST_CHARACTERS, MOST_BYTES, NoEscrow, WrongPassphrase, opened, sealed
from agent.stores.vault.regular import open_regular

escrow = group("escrow", help="A copy of the site key that a passphrase opens, for the day on which the key is lost.")

Escrow = Annotated[Path, typer.Argument(help="The file of the escrow.", show_default=False)]


@escrow.command()
def export(
    context: typer.Context,
    file: Escrow,
    passphrase_file: File = None,
    passphrase_fd: Fd = None,
    config: ConfigPath = None,
) -> None:
    """Write the site key to a new FILE, encrypted so that the passphrase opens it."""
    configured = settings(context, config, secrets_required=False)
    with open_keyring(configured) as (keyring, key):
        secret = passphrase(passphrase_file, passphrase_fd, twice=True)
        if len(secret) < LEAST_CHARACTERS:
            fail(USAGE, f"the passphrase has fewer than {LEAST_CHARACTERS} characters", "take six or more random words")
        at = world.now_ms()
        write_secret(file, sealed(key, secret, rfc3339(at)[:10]), "name another file")
        try:
            if _key(file, secret) != key:
                raise StoreError(f"{file} does not hold what was written", "look at the disk")
            keyring.note_escrow(key, at)
        except StoreError:
            file.unlink(missing_ok=True)
            raise
    line(f"{printable(str(file))} holds the site key in escrow.")
    line("Keep it in another place than this machine and its backups, and the")
    line("passphrase in a third. Try both once a year: `telephony-agent keys escrow check FILE`.")


@escrow.command()
def check(
    context: typer.Context,
    file: Escrow,
    passphrase_file: File = None,
    passphrase_fd: Fd = None,
    config: ConfigPath = None,
) -> None:
    """Tell whether the passphrase opens FILE, and whether the key in it opens the keyring (exit code 1 if not)."""
    configured = settings(context, config, secrets_required=False)
    key = _key(file, passphrase(passphrase_file, passphrase_fd))
    try:
        found = examine(configured.keyring, key)
    except StoreError as error:
        fail(STORE, str(error), error.hint)
    if found is None:
        same = key == given_key(configured)
        line("The passphrase opens it; there is no keyring yet to try the key on.")
        line("It is the site key that is given." if same else "It is another than the site key that is given.")
        raise typer.Exit(0 if same else PROBLEMS)
    if not found.opens:
        fail(PROBLEMS, "the passphrase opens it, but the key in it is not this keyring's", "export it anew")
    line("The passphrase opens it, and the key in it opens the keyring.")


@escrow.command()
def restore(
    file: Escrow,
    site_key_file: Annotated[Path, typer.Argument(help="Where to write the site key.", show_default=False)],
    passphrase_file: File = None,
    passphrase_fd: Fd = None,
) -> None:
    """Write the site key that is in FILE to a new file."""
    key = _key(file, passphrase(passphrase_file, passphrase_fd))
    write_key(site_key_file, key)
    line(f"{printable(str(site_key_file))} holds the site key.")
    line("`telephony-agent keys status` tells whether it opens the keyring.")


def _key(file: Path, secret: str) -> bytes:
    try:
        return opened(_text(file), secret)
    except NoEscrow:
        fail(USAGE, f"{file} is no escrow of a site key", "name a file that `keys escrow export` made")
    except WrongPassphrase:
        fail(USAGE, f"the passphrase does not open {file}", "give the one that it was made with")
    except StoreError as error:
        fail(USAGE, str(error), error.hint)


def _text(file: Path) -> str:
    try:
        with open(open_regular(file), "rb") as opened_file:
            content = opened_file.read(MOST_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: no path at all.
        reason = os.strerror(error.errno or 0) if isinstance(error, OSError) else "no file can have that name"
        fail(USAGE, f"{file} cannot be read: {reason}", "name a file that you may read")
    if len(content) > MOST_BYTES:
        raise NoEscrow
    return content.decode("ascii", errors="replace")
