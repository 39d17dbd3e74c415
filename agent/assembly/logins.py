"""Where Asterisk is, and as whom the agent logs in there."""

import ssl
from pathlib import Path
from typing import Literal

from agent.config import Config
from agent.sources.ami import Address, Credentials


def address(config: Config) -> Address:
    """Where AMI is."""
    ami = config.ami
    return Address(host=ami.host, port=ami.port, ssl=tls_context(ami.ca_file) if ami.tls else None)


def credentials(config: Config, session: Literal["express", "bulk"]) -> Credentials:
    """The login of one session."""
    login = config.ami.credentials(session)
    return Credentials(username=login.username, secret=login.secret.get_secret_value())


def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """A client context that verifies Asterisk's certificate and name, always."""
    return ssl.create_default_context(cafile=str(ca_file) if ca_file is not None else None)
