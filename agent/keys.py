"""The one keyring of this process, which recordings and personal fields share, and what opens the fields."""

import os
from collections.abc import Callable
from threading import Lock

import structlog

from agent.config import Config, ConfigError, site_key, site_key_in, site_keys
from agent.ports import StoreError
from agent.stores.sqlite import Fields
from agent.stores.vault import Keyring
from agent.stores.vault.rotation import KeyFile, retire

log = structlog.get_logger()


class Keys:
    """Opens the keyring when it is first asked for, and tries again for as long as it could not; for any thread."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._keyring: Keyring | None = None
        self._lock = Lock()

    @property
    def wanted(self) -> bool:
        """Whether a site key is configured, be it one that cannot be taken."""
        return bool(self._config.keys.site_key() or self._config.keys.fault)

    def keyring(self) -> Keyring:
        """The keyring; the site key before this one, which a rotation left until now, is destroyed.

        Raises:
            StoreError: it cannot be used now.
        """
        with self._lock:
            if self._keyring is None:
                self._keyring = self._opened()
                _retire(self._config, self._keyring)
            return self._keyring

    def fields(self, clock: Callable[[], int]) -> Fields | None:
        """What locks personal fields; None where no site key is configured, and they are kept as they are."""
        return Fields(self._config.store.path, self.keyring, clock) if self.wanted else None

    def close(self) -> None:
        """Let go of the keyring."""
        with self._lock:
            if self._keyring is not None:
                self._keyring.close()
                self._keyring = None

    def _opened(self) -> Keyring:
        config = self._config
        given = config.keys.site_key()
        if given is None:
            raise StoreError("the site key cannot be taken, see the log", config.keys.fault)
        return Keyring(config.keyring, given, lambda: site_keys(config, os.environ))


def reading(config: Config, clock: Callable[[], int]) -> Fields:
    """What opens personal fields for a command beside the agent, as far as the site key can be had."""

    def opened() -> Keyring:
        try:
            given = site_key(config, os.environ)
        except ConfigError:
            given = None
        if given is None:
            raise StoreError("there is no site key")
        return Keyring(config.keyring, given, lambda: site_keys(config, os.environ), read_only=True)

    return Fields(config.store.path, opened, clock)


def _retire(config: Config, keyring: Keyring) -> None:
    """Destroy the site key before this one, which a rotation left until now; it does no harm if that fails."""
    file, former = config.keys.site_key_file, config.keys.former_site_key_file
    if file is None or former is None:
        return
    try:
        if retire(keyring, KeyFile(path=file, former=former, read=site_key_in)):
            log.info("old_site_key_destroyed")
    except StoreError as error:
        log.warning("old_site_key_left", reason=str(error), hint=error.hint)
