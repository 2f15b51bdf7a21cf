"""Ten thousand hosts of one tenant, enrolled, and what each of them sends."""

import asyncio
import pickle
import random
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import orjson
from nacl.signing import SigningKey

from hub.clock import utc_now
from hub.database import Database
from hub.fleet.models import Agent, AgentKey
from hub.fleet.signatures import public_key_digest
from hub.ingest.door import identity_digest
from hub.jobs.work import JOBS

_SYSTEM: dict[str, Any] = {
    "os": {"id": "debian", "name": "Debian GNU/Linux 12 (bookworm)", "version": "12"},
    "kernel_release": "6.1.0-28-amd64",
    "architecture": "x86_64",
    "addresses": ["10.20.0.11", "fd00::11"],
    "cpu_count": 4,
    "memory_bytes": 8_324_210_688,
}
_GIB = 1_073_741_824


@dataclass(frozen=True, slots=True)
class Host:
    """One host that was enrolled, and the key it signs with."""

    agent_id: UUID
    seed: bytes  # of its private key

    @property
    def key(self) -> SigningKey:
        """The private key."""
        return SigningKey(self.seed)


def identity_of(number: int) -> dict[str, Any]:
    """Return what a host tells of itself in each report."""
    address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    return {"agent_version": "0.1.0", "system": _SYSTEM | {"addresses": [address]}}


def body_of(number: int, at: datetime) -> bytes:
    """Return a report as the reference agent sends it: 1 KB, three file systems."""
    busy = random.uniform(1, 60)  # noqa: S311 - a figure
    disks = [
        {
            "mount": mount,
            "device": f"/dev/vd{letter}1",
            "used_percent": round(40 + busy / 3, 1),
            "used_bytes": 17 * _GIB,
            "total_bytes": 40 * _GIB,
        }
        for mount, letter in (("/", "a"), ("/var", "b"), ("/srv", "c"))
    ]
    figures = {
        "cpu_percent": round(busy, 1),
        "memory_percent": round(30 + busy / 2, 1),
        "load1": round(busy / 25, 2),
        "load5": round(busy / 27, 2),
        "load15": round(busy / 29, 2),
        "rx_mbps": round(busy / 10, 3),
        "tx_mbps": round(busy / 7, 3),
        "disks": disks,
    }
    return orjson.dumps({"at": at, "figures": figures} | identity_of(number))


def enrol(url: str, owner_url: str, tenant_id: UUID, *, count: int) -> list[Host]:
    """Store this many hosts with their keys, as they are an hour after they were enrolled."""
    return asyncio.run(_enrol(url, owner_url, tenant_id, count))


async def _enrol(url: str, owner_url: str, tenant_id: UUID, count: int) -> list[Host]:
    database = Database(url, pool_size=2)
    hosts = [Host(uuid4(), SigningKey.generate().encode()) for _ in range(count)]
    async with database.transaction(tenant_id=tenant_id) as session:
        for number, host in enumerate(hosts):
            session.add(
                Agent(tenant_id=tenant_id, id=host.agent_id, name=f"bench-{number:05}", tags=[])
            )
        await session.flush()
        for number, host in enumerate(hosts):
            public_key = host.key.verify_key.encode()
            session.add(
                AgentKey(
                    digest=public_key_digest(public_key),
                    tenant_id=tenant_id,
                    agent_id=host.agent_id,
                    public_key=public_key,
                    identity_digest=identity_digest(identity_of(number)),
                )
            )
    # What an hour does: the score knows the hosts, and autovacuum has seen the tables, without
    # which the planner takes ten thousand keys for none.
    await JOBS["score"](database, tenant_id, utc_now())
    await database.close()
    owner = await asyncpg.connect(owner_url)
    await owner.execute("VACUUM ANALYZE")
    await owner.close()
    return hosts


def save(hosts: list[Host], path: Path) -> None:
    """Keep the hosts for the process that plays them."""
    path.write_bytes(pickle.dumps([(host.agent_id, host.seed) for host in hosts]))


def load(path: Path) -> list[Host]:
    """Return the hosts that were kept."""
    return [Host(*host) for host in pickle.loads(path.read_bytes())]  # noqa: S301 - our own file
