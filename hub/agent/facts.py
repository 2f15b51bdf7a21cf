"""What the agent tells of its host beside figures and packages, and when it does.

Each kind is told when it changed, and every six hours; what did not change is left out.
"""

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog

from hub.agent.configuration import Configuration
from hub.agent.host_facts.accounts import read_account_facts, read_sudoers_facts
from hub.agent.host_facts.backups import read_backups
from hub.agent.host_facts.certificates import read_certificates
from hub.agent.host_facts.kernels import read_kernels
from hub.agent.host_facts.listening import read_listeners
from hub.agent.watch.host import Host

TELL_AGAIN_SECONDS = 6 * 3600.0
_log = structlog.get_logger(__name__)

type Facts = dict[str, list[dict[str, Any]]]


@dataclass(slots=True)
class _Kind:
    """One kind of fact: how it is read, how often, and what was told of it."""

    name: str
    read: Callable[[], list[dict[str, Any]] | None]
    every_seconds: float
    due_at: float = 0.0
    told_digest: str = ""
    told_at: float = 0.0


class FactReader:
    """Reads the facts of a host; `changed` is what a report adds under `facts`."""

    def __init__(
        self,
        configuration: Configuration | None = None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        host: Host | None = None,
    ) -> None:
        wanted = configuration or Configuration()
        here = host or Host(wanted.root)
        self._monotonic = monotonic
        self._kinds = [
            _Kind("kernels", lambda: read_kernels(here), 60.0),
            _Kind("accounts", lambda: read_account_facts(here), 30.0),
            _Kind("sudoers", lambda: read_sudoers_facts(here), 30.0),
            _Kind("listening", lambda: read_listeners(here), 60.0),
            _Kind("certificates", lambda: read_certificates(wanted.certificates, here), 3600.0),
            _Kind("backups", lambda: read_backups(wanted.backups, here), 60.0),
        ]

    def changed(self) -> Facts:
        """Return the kinds that changed since they were told, or were told six hours ago."""
        now, facts = self._monotonic(), {}
        for kind in self._kinds:
            if now < kind.due_at:
                continue
            kind.due_at = now + kind.every_seconds
            items = self._read(kind)
            if items is None:
                continue
            digest = hashlib.sha256(json.dumps(items).encode()).hexdigest()
            if digest != kind.told_digest or now - kind.told_at >= TELL_AGAIN_SECONDS:
                kind.told_digest, kind.told_at = digest, now
                facts[kind.name] = items
        return facts

    def forget(self) -> None:
        """Tell everything again: what was told last did not arrive."""
        for kind in self._kinds:
            kind.due_at, kind.told_digest = 0.0, ""

    @staticmethod
    def _read(kind: _Kind) -> list[dict[str, Any]] | None:
        try:
            return kind.read()
        except Exception:  # noqa: BLE001 - a fact that cannot be read must not keep the others away
            _log.exception("facts_not_read", kind=kind.name)
            return None
