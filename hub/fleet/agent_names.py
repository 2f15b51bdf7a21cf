"""What hosts may be called, and tagged with."""

import re
from collections.abc import Sequence

from hub.errors import InvalidInput

MAX_TAGS = 50
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@-]{0,252}")
_TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,62}:[A-Za-z0-9][A-Za-z0-9 ._:@/-]{0,126}")


def check_agent_name(name: str) -> str:
    """Return the name, or say what a name may hold."""
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            "`name` must be 1 to 253 letters, digits or . _ : @ - and start with a letter or digit,"
            " as host names do.",
            field="name",
        )
    return name


def check_tags(tags: Sequence[str]) -> list[str]:
    """Return the tags, sorted and each once, or say what a tag looks like."""
    if len(tags) > MAX_TAGS or not all(_TAG.fullmatch(tag) for tag in tags):
        raise InvalidInput(
            f"`tags` must be at most {MAX_TAGS} of the form key:value, such as env:production.",
            field="tags",
        )
    return sorted(set(tags))
