"""This very machine as a host of the demo: enrolled, with a credential of its own, reporting."""

import asyncio
import re
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from hub.agent.client import HubClient
from hub.agent.runner import read_credential, run
from hub.cli.agent import write_credential
from hub.cli.enrolment import enrol_host
from hub.database import Database
from hub.fleet.commands import agent_key_digest
from hub.fleet.models import AgentCredential
from seed.people import NORTHWIND_ID

_INTERVAL_SECONDS = 15
_PATIENCE_SECONDS = 2
_CREDENTIAL_FILE = "agent.key"
_TAGS = ("env:demo", "role:this-machine")


def this_host_name() -> str:
    """Return this machine's name, as agents may be called."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", socket.gethostname()).strip("-._")
    return name or "this-machine"


async def credential_of_this_host(database: Database, data_dir: Path) -> str:
    """Return the credential of this machine; enrol it when it has none that the database knows."""
    path = _credential_path(data_dir)
    stored = _stored_credential(path)
    if stored is not None and await _is_known(database, stored):
        return stored
    credential = await enrol_host(
        database, tenant_id=NORTHWIND_ID, name=this_host_name(), tags=_TAGS
    )
    write_credential(path, credential)
    return credential


async def _is_known(database: Database, credential: str) -> bool:
    digest = agent_key_digest(credential)
    async with database.transaction(presented=digest) as session:
        return await session.get(AgentCredential, digest) is not None


def _credential_path(data_dir: Path) -> Path:
    return data_dir.expanduser() / _CREDENTIAL_FILE


def _stored_credential(path: Path) -> str | None:
    return read_credential(path) if path.exists() else None


@asynccontextmanager
async def reporting(url: str, credential: str) -> AsyncIterator[None]:
    """Report through the hub's own ingest endpoint for as long as the block runs.

    In a thread, not in a process: a demo that is killed leaves no agent behind.
    """
    stop = threading.Event()
    client = HubClient(url, credential, allow_plain_http=True)
    thread = threading.Thread(
        target=run,
        args=(client,),
        kwargs={"interval_seconds": _INTERVAL_SECONDS, "stop": stop},
        name="agent",
        daemon=True,
    )
    thread.start()
    try:
        yield
    finally:
        stop.set()
        await asyncio.to_thread(thread.join, _PATIENCE_SECONDS)
