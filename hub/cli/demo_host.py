"""This very machine as a host of the demo: enrolled, with a key of its own, reporting."""

import asyncio
import re
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from hub.agent.client import AgentError
from hub.agent.enrol import enrol
from hub.agent.identity import Identity, read_identity, write_identity
from hub.agent.runner import run
from hub.cli.enrolment import token_for
from hub.database import Database
from hub.fleet.agent_keys import is_trusted
from hub.fleet.signatures import public_key_digest
from seed.people import NORTHWIND_ID

_INTERVAL_SECONDS = 15
_PATIENCE_SECONDS = 2
_STATE_FOLDER = "agent"
_TAGS = ("env:demo", "role:this-machine")


def this_host_name() -> str:
    """Return this machine's name, as agents may be called."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", socket.gethostname()).strip("-._")
    return name or "this-machine"


async def enrol_this_host(database: Database, url: str, data_dir: Path) -> Path:
    """Enrol this machine, unless it has a key that the hub trusts; return the agent's folder."""
    folder = _state_folder(data_dir)
    identity = await _trusted_identity(database, folder)
    if identity is None:
        name = this_host_name()
        token = await token_for(database, tenant_id=NORTHWIND_ID, name=name, tags=_TAGS)
        await asyncio.to_thread(enrol, folder, url, token, allow_plain_http=True)
    elif identity.url != url:  # another port than the last time
        await asyncio.to_thread(write_identity, folder, identity.at(url))
    return folder


def _state_folder(data_dir: Path) -> Path:
    return data_dir.expanduser() / _STATE_FOLDER


async def _trusted_identity(database: Database, folder: Path) -> Identity | None:
    try:
        identity = read_identity(folder)
    except AgentError:
        return None
    digest = public_key_digest(identity.key.verify_key.encode())
    async with database.transaction(tenant_id=NORTHWIND_ID) as session:
        return identity if await is_trusted(session, digest=digest) else None


@asynccontextmanager
async def reporting(folder: Path) -> AsyncIterator[None]:
    """Report through the hub's own ingest endpoint for as long as the block runs.

    In a thread, not in a process: a demo that is killed leaves no agent behind. It watches nothing:
    the demo's story is not to be mixed with what happens on the machine.
    """
    stop = threading.Event()
    thread = threading.Thread(
        target=run,
        args=(folder,),
        kwargs={"interval": _INTERVAL_SECONDS, "stop": stop},
        name="agent",
        daemon=True,
    )
    thread.start()
    try:
        yield
    finally:
        stop.set()
        await asyncio.to_thread(thread.join, _PATIENCE_SECONDS)
