"""Puts together what `check` looks at, on the PBX and on this host."""

import asyncio
import contextlib
import os
from pathlib import Path

from agent.assembly.logins import address, credentials
from agent.config import Config, channels, site_keys, sites
from agent.core.numbers import forms
from agent.duties import check as checking
from agent.ports import StoreError
from agent.sources.ami import LoginRefused
from agent.sources.ami_inquiry import inquiry
from agent.stores.vault import examine, is_memory, never_swapped
from agent.world import now_ms

ASTERISK_ETC = Path("/etc/asterisk")


def _places(config: Config) -> checking.Places:
    """Where recordings are captured and kept, and whether the site key opens the keyring; nothing is made."""
    section, site_key = config.recording, config.keys.site_key()
    fault = "" if site_key is not None else "there is no site key"
    try:
        # A rotation may be under way, or have been cut off: then another one opens it still.
        keys = [] if site_key is None else [site_key, *site_keys(config, os.environ)]
        found = [examine(config.keyring, key) for key in keys]
        if found and not any(each is None or each.opens for each in found):
            fault = f"the site key is another than the keyring {config.keyring} was made with"
    except StoreError as error:
        fault = str(error)
    return checking.Places(
        monitor=section.monitor_dir,
        store=section.store_dir,
        socket=section.socket,
        group=section.socket_group,
        key=fault,
    )


async def check(config: Config, etc: Path | None) -> list[checking.Finding]:
    """What is wrong on the PBX and here, worst first; ``etc`` is Asterisk's configuration folder.

    Raises:
        ConfigError: a table that the configuration names cannot be used.
        LoginRefused, NotAmi, TlsRefused, Unreachable: there is no login.
    """
    channels.of(config)
    sites.of(config)
    bulk, express = credentials(config, "bulk"), credentials(config, "express")
    apart = express.username != bulk.username
    listen = config.http.listen
    places = _places(config)
    recordings = checking.look_at_recordings(places, in_memory=is_memory, never_swapped=never_swapped)
    host = await asyncio.to_thread(
        checking.look,
        config.store.path,
        (listen.host, listen.port) if listen is not None else None,
        config.voicemail.spool_dir,
        recordings,
        checking.look_at_calls(config.calls.cdr_file, config.calls.trunks),
        places.key,
    )
    async with contextlib.AsyncExitStack() as logins:
        pbx = await logins.enter_async_context(inquiry(address(config), bulk))
        first = checking.Login(name=bulk.username, sessions=("bulk",) if apart else ("express", "bulk"), pbx=pbx)
        others = []
        try:
            # Beside the first, even for the same user: the agent holds two sessions at once.
            second = await logins.enter_async_context(inquiry(address(config), express))
            if apart:
                others = [checking.Login(name=express.username, sessions=("express",), pbx=second)]
        except LoginRefused as error:
            others = [checking.Login(name=express.username, sessions=("express",), pbx=None, refused=str(error))]
        sight = checking.Sight(
            logins=[first, *others],
            etc=etc or (ASTERISK_ETC if checking.loopback(config.ami.host) else None),
            numbers=config.emergency.numbers,
            forms=forms(config.emergency.numbers, config.emergency.prefixes),
            loopback=checking.loopback(config.ami.host),
            tls=config.ami.tls,
            host=host,
        )
        return checking.findings(await checking.gather(sight, now_ms))
