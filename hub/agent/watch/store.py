"""What the watchers remember, and what they said that nobody has taken over yet: one file.

Both are written at once, so that a crash at any moment neither loses an event nor makes a second
one of it: either the look is not remembered and is repeated, or its events are still in the file.
"""

import json
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hub.agent.watch.watcher import Memory

_VERSION = 1


@dataclass
class Remembered:
    """The content of the file."""

    epoch: str = field(default_factory=lambda: secrets.token_hex(8))
    turn: int = 0
    memories: dict[str, Memory] = field(default_factory=dict)
    outbox: list[dict[str, Any]] = field(default_factory=list)


def load(path: Path) -> Remembered:
    """Return what is remembered; a new start when there is nothing, or nothing readable."""
    try:
        content = json.loads(path.read_bytes())
        if content["version"] != _VERSION:
            return Remembered()
        return Remembered(
            epoch=str(content["epoch"]),
            turn=int(content["turn"]),
            memories=dict(content["memories"]),
            outbox=list(content["outbox"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return Remembered()


def save(path: Path, remembered: Remembered) -> None:
    """Replace the file by this content; the disk has it when this returns."""
    content = {
        "version": _VERSION,
        "epoch": remembered.epoch,
        "turn": remembered.turn,
        "memories": remembered.memories,
        "outbox": remembered.outbox,
    }
    written = path.with_suffix(".new")
    descriptor = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(json.dumps(content, separators=(",", ":")).encode())
        file.flush()
        os.fsync(file.fileno())
    written.replace(path)
