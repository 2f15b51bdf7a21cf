"""An agent for tests: a machine that enrolled by the hub's own commands and signs what it sends."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2
import orjson
from nacl.signing import SigningKey

from hub.clock import utc_now
from hub.database import Database
from hub.fleet.enrolment_tokens import issue_enrolment_token
from hub.fleet.machines import Machine, enrol_machine
from hub.fleet.signatures import public_key_digest, seal_headers

INGEST = "/api/v1/ingest"
HEARTBEAT = "/api/v1/heartbeat"


@dataclass
class SignedAgent:
    """One enrolled machine; each request it signs has the next sequence number."""

    tenant_id: UUID
    agent_id: UUID
    name: str
    key: SigningKey
    sequence: int = field(default_factory=lambda: time.time_ns() // 1_000_000)

    @property
    def key_digest(self) -> str:
        """How the hub names the agent's key."""
        return public_key_digest(self.key.verify_key.encode())

    def headers(
        self,
        body: bytes = b"",
        *,
        path: str = INGEST,
        method: str = "POST",
        sequence: int | None = None,
        clock_ahead: timedelta = timedelta(),
    ) -> dict[str, str]:
        """Return the headers that sign a request; a test may name a sequence, or a wrong clock."""
        if sequence is None:
            self.sequence += 1
            sequence = self.sequence
        sent_at = int((utc_now() + clock_ahead).timestamp())
        return {"Content-Type": "application/json"} | seal_headers(
            self.key, method=method, path=path, body=body, sequence=sequence, sent_at=sent_at
        )

    async def post(
        self,
        http: httpx2.AsyncClient,
        body: object = b"",
        *,
        path: str = INGEST,
        headers: Mapping[str, str] | None = None,
        **seal: Any,
    ) -> httpx2.Response:
        """Sign a body and send it: JSON of an object, or bytes as they are."""
        content = body if isinstance(body, bytes) else orjson.dumps(body)
        signed = self.headers(content, path=path, **seal)
        return await http.post(path, content=content, headers=signed | dict(headers or {}))

    async def heartbeat(self, http: httpx2.AsyncClient, **seal: Any) -> httpx2.Response:
        """Say that the agent is alive."""
        return await self.post(http, path=HEARTBEAT, **seal)


async def enrolled_agent(
    database: Database, tenant_id: UUID, *, name: str | None = None
) -> SignedAgent:
    """Enrol a machine of its own, as an agent would, and return it ready to report."""
    key, machine_digest = SigningKey.generate(), uuid4().hex * 2
    name = name or f"host-{machine_digest[:8]}"
    agent = SignedAgent(tenant_id, uuid4(), name, key)
    now = utc_now()
    async with database.transaction(tenant_id=tenant_id) as session:
        token = await issue_enrolment_token(
            session, tenant_id=tenant_id, made_by="tests", now=now, name=name
        )
        enrolled = await enrol_machine(
            session,
            tenant_id=tenant_id,
            token_digest=token.id,
            machine=Machine(
                host_name=name,
                chosen_name=None,
                digest=machine_digest,
                public_key=key.verify_key.encode(),
                sequence=agent.sequence,
            ),
            now=now,
        )
    agent.agent_id = enrolled.agent_id
    return agent
