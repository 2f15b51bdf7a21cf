"""How people name a detection: `DEV-2026-0441` in any case, or its id."""

import re
from uuid import UUID

from sqlalchemy import ColumnElement
from sqlmodel import col

from hub.detections.models import Detection
from hub.errors import NotFound

_NUMBER = re.compile(r"DEV-\d{4}-\d{4,9}", re.ASCII)


def is_named(name: str) -> ColumnElement[bool]:
    """Return the condition that a detection has this number or id; NotFound when none can."""
    cleaned = name.strip().upper()
    if _NUMBER.fullmatch(cleaned):
        return col(Detection.number) == cleaned
    try:
        return col(Detection.id) == UUID(cleaned)
    except ValueError:
        raise no_such_detection() from None


def no_such_detection() -> NotFound:
    """Return the error for a name that no detection has."""
    return NotFound(
        "No detection has this id. An id looks like DEV-2026-0441; monsys_list_detections shows"
        " those there are.",
        field="id",
    )
