"""Which host is asking, for the routes that FastAPI serves: the seal, and a transaction for it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Header, Request, Security
from fastapi.security import APIKeyHeader
from sqlalchemy.ext.asyncio import AsyncSession

from hub.fleet.signatures import (
    KEY_HEADER,
    SEQUENCE_HEADER,
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
)
from hub.ingest.away import or_unavailable
from hub.ingest.intake import intake_of
from hub.ingest.trusted_keys import accept_seal

_signature = APIKeyHeader(
    name=SIGNATURE_HEADER,
    auto_error=False,
    scheme_name="AgentSignature",
    description="Ed25519 signature in base64 over these lines: `monsys-report-v1`, the method, the"
    " path, the key, the sequence, the timestamp, and the SHA-256 of the body as it is sent.",
)


@dataclass(frozen=True, slots=True)
class ReportingAgent:
    """A known agent, and the transaction of its tenant in which its report is stored."""

    tenant_id: UUID
    agent_id: UUID
    session: AsyncSession


def seal_headers(
    _signed: Annotated[str | None, Security(_signature)],
    _key: Annotated[
        str,
        Header(alias=KEY_HEADER, description="SHA-256 of the host's public key, in hexadecimal."),
    ] = "",
    _sequence: Annotated[
        str, Header(alias=SEQUENCE_HEADER, description="Larger than any before it of this key.")
    ] = "",
    _timestamp: Annotated[
        str,
        Header(alias=TIMESTAMP_HEADER, description="Seconds since 1970, within 5 minutes."),
    ] = "",
) -> None:
    """Say in OpenAPI what a request is sealed with; the gate reads them itself."""


async def reporting_agent(
    request: Request, _documented: Annotated[None, Depends(seal_headers)]
) -> AsyncIterator[ReportingAgent]:
    """Yield the agent that signed this request, inside a transaction of its tenant."""
    intake = intake_of(request.app)
    async with or_unavailable():
        sealed = await intake.gate.admit(request.headers, path=request.url.path, read=request.body)
        key = sealed.key
        async with intake.database.transaction(tenant_id=key.tenant_id) as session:
            agent_id = await accept_seal(session, sealed.seal)
            yield ReportingAgent(tenant_id=key.tenant_id, agent_id=agent_id, session=session)


# Function scope: the commit happens before the answer leaves, so an agent never holds an
# "accepted" for a report that was not stored. FastAPI's default scope commits afterwards.
type Agent = Annotated[ReportingAgent, Depends(reporting_agent, scope="function")]
"""The host that signed the request."""
