"""What is kept of people, for whom it may concern: the inventory of article 30, and the customers' notice."""

import json as encoding
from enum import StrEnum
from typing import Annotated

import typer

from agent.cli.common import USAGE, ConfigPath, Json, fail, line, settings
from agent.config import Config
from agent.core.inventory import Terms, activities, as_document, as_json, html, markdown, notice, text
from agent.core.records import ContentClass, RetentionClass

_NAME_CHARACTERS = 200


class InventoryFormat(StrEnum):
    """How the inventory is written."""

    MARKDOWN = "markdown"
    JSON = "json"


class NoticeFormat(StrEnum):
    """How the notice is written."""

    MARKDOWN = "markdown"
    HTML = "html"
    TEXT = "text"


_WRITTEN = {NoticeFormat.MARKDOWN: markdown, NoticeFormat.HTML: html, NoticeFormat.TEXT: text}
_Provider = Annotated[
    str, typer.Option("--provider", envvar="TELEPHONY_AGENT_PROVIDER", help="Whose it is: the controller's name.")
]


def inventory(
    context: typer.Context,
    format: Annotated[InventoryFormat, typer.Option(help="How it is written.")] = InventoryFormat.MARKDOWN,
    provider: _Provider = "the provider",
    json: Json = False,
    config: ConfigPath = None,
) -> None:
    """Print what is kept: each field with its purpose, basis, readers and term (UK GDPR article 30)."""
    found = activities(terms_of(settings(context, config, secrets_required=False)))
    name = _name(provider)
    if json or format is InventoryFormat.JSON:
        line(encoding.dumps(as_json(found, name), ensure_ascii=False))
    else:
        line(markdown(as_document(found, name)).rstrip("\n"))


def customer_notice(
    context: typer.Context,
    format: Annotated[NoticeFormat, typer.Option(help="How it is written.")] = NoticeFormat.MARKDOWN,
    provider: _Provider = "your provider",
    json: Json = False,
    config: ConfigPath = None,
) -> None:
    """Print the notice for customers: which types of data are kept, why, and for how long."""
    document = notice(terms_of(settings(context, config, secrets_required=False)), _name(provider))
    written = _WRITTEN[format](document)
    line(encoding.dumps({"format": format, "notice": written}, ensure_ascii=False) if json else written.rstrip("\n"))


def terms_of(config: Config) -> Terms:
    """How long each kind of data is kept with this configuration."""
    retention, voicemail = config.retention, config.voicemail
    return Terms(
        days={kind: retention.days(kind) for kind in RetentionClass},
        detail_minutes=retention.detail_minutes,
        content_days={kind: retention.content_days(kind) for kind in ContentClass},
        voicemail=None
        if voicemail.spool_dir is None
        else (voicemail.heard_days, voicemail.unheard_days, voicemail.deleted_days),
    )


def _name(provider: str) -> str:
    if not (provider.isprintable() and provider.strip() and len(provider) <= _NAME_CHARACTERS):
        fail(USAGE, f"--provider takes one line of at most {_NAME_CHARACTERS} printable characters")
    return provider
