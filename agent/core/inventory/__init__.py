"""What is kept of people, made from the record classes alone: the inventory (UK GDPR article 30) and the notice."""

from agent.core.inventory.activities import Activity, activities, as_document, as_json
from agent.core.inventory.notice import notice
from agent.core.inventory.rendering import Document, html, markdown, text
from agent.core.inventory.terms import Terms, spoken
from agent.core.inventory.words import TOLD, Told

__all__ = [
    "TOLD",
    "Activity",
    "Document",
    "Terms",
    "Told",
    "activities",
    "as_document",
    "as_json",
    "html",
    "markdown",
    "notice",
    "spoken",
    "text",
]
