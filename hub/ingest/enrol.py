"""`POST /api/v1/agents/enroll`: a machine shows its token and its key, and becomes a server."""

import base64
import binascii
from importlib.metadata import version
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.routing import APIRoute
from limits import RateLimitItemPerMinute
from limits.aio.strategies import FixedWindowRateLimiter
from limits.storage import storage_from_string
from pydantic import BaseModel, ConfigDict, Field

from hub.audit.commands import append_events
from hub.clock import utc_now
from hub.database import Database, enter
from hub.errors import Conflict, InvalidInput, Throttled, Unauthenticated
from hub.faults import ProblemResponse
from hub.fleet.enrolment_tokens import presented_digest, tenant_of_token
from hub.fleet.machines import IdentityRefusedError, Machine, enrol_machine
from hub.fleet.retirement import retire_itself
from hub.fleet.signatures import (
    KEY_HEADER,
    MAX_CLOCK_SKEW,
    SEQUENCE_HEADER,
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    Seal,
    is_signed_by,
    public_key_digest,
    read_seal,
)
from hub.ingest.authentication import Agent

REPORT_INTERVAL_SECONDS = 15
# A fleet behind one address may enrol at once; guessing 256 bits is hopeless at any pace.
_PER_MINUTE = RateLimitItemPerMinute(300)
_KEY_BYTES = 32
_EXAMPLE: dict[str, Any] = {
    "token": "met_…",
    "public_key": "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
    "host_name": "web-01",
    "machine_digest": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "agent_version": "0.1.0",
}


class Enrolment(BaseModel):
    """What a machine says when it enrols."""

    model_config = ConfigDict(
        extra="ignore", frozen=True, json_schema_extra={"examples": [_EXAMPLE]}
    )

    token: str = Field(max_length=200, description="The enrolment token, `met_…`; good once.")
    public_key: str = Field(
        max_length=64, description="The machine's Ed25519 public key: 32 bytes in base64."
    )
    host_name: str = Field(max_length=253, description="What the machine calls itself.")
    name: str | None = Field(
        None, max_length=253, description="What it shall be called, if not by its host name."
    )
    machine_digest: str = Field(
        pattern="^[0-9a-f]{64}$",
        description="Salted SHA-256 of the machine's own id: the same machine is the same server.",
    )
    agent_version: str = Field(
        "", max_length=32, pattern=r"^[\x20-\x7e]*$", description="Version of the agent."
    )


class Retired(BaseModel):
    """The machine's key is trusted no more."""

    status: str = Field("retired", description="Always `retired`.")


class Enrolled(BaseModel):
    """The machine is a server of the tenant, and its key is trusted from now on."""

    agent_id: UUID = Field(description="The server's id.")
    name: str = Field(description="What the server is called.")
    is_new: bool = Field(description="False for a machine that was enrolled before.")
    hub_version: str = Field(description="Version of the hub.")
    interval_seconds: int = Field(description="How often the agent is to report.")


def add_enrolment_routes(router: APIRouter) -> None:
    """Add the route to the API's router."""
    router.add_api_route(
        "/agents/enroll",
        _enroll,
        methods=["POST"],
        status_code=201,
        summary="Enrol a machine",
        description="The request is signed like a report (headers `X-Monsys-Key`,"
        " `X-Monsys-Sequence`, `X-Monsys-Timestamp`, `X-Monsys-Signature`) with the key it brings,"
        " which proves that the machine has the private half.",
        response_description="The machine is enrolled, and its key is pinned.",
        responses=_REFUSALS,
    )

    router.add_api_route(
        "/agents/retire",
        _retire,
        methods=["POST"],
        summary="Retire the machine that asks",
        description="Signed like a report. The key is trusted no more, and the server's place in"
        " the plan is free. Enrolling the machine again brings the same server back.",
        response_description="The key is trusted no more.",
        responses=_RETIREMENT_REFUSALS,
        route_class_override=APIRoute,  # it has no body to be parsed
    )


def _refusal(description: str) -> dict[str, Any]:
    return {"model": ProblemResponse, "description": description}


_REFUSALS: dict[int | str, dict[str, Any]] = {
    401: _refusal("The token is unknown, used or expired, or the signature is wrong."),
    409: _refusal("The plan has no place, or another machine has the name. The token stays good."),
    413: _refusal("The body is too large."),
    422: _refusal("A value is malformed, or the machine's clock is wrong."),
    429: _refusal("Too many enrolments from this address; `Retry-After` says when to come back."),
    503: _refusal("The database does not answer; the token stays good."),
}


_RETIREMENT_REFUSALS: dict[int | str, dict[str, Any]] = {
    401: _refusal("No pinned key signed this request."),
    403: _refusal("The key was retired before."),
    409: _refusal("The sequence is not new; `X-Monsys-Last-Sequence` says the last one taken."),
    422: _refusal("A header is malformed, or the machine's clock is wrong."),
    429: _refusal("Too many requests; `Retry-After` says when to come back."),
    503: _refusal("The database does not answer; nothing was changed."),
}


async def _paced(request: Request) -> None:
    """Count the attempt against the address it comes from."""
    state = request.app.state
    if not hasattr(state, "enrolment_limiter"):
        storage = storage_from_string(f"async+{state.settings.rate_limit_storage_url}")
        state.enrolment_limiter = FixedWindowRateLimiter(storage)
    address = request.client.host if request.client else ""
    if not await state.enrolment_limiter.hit(_PER_MINUTE, "enrol", address):
        raise Throttled(
            "Too many enrolments from this address; wait a minute.",
            retry_after_seconds=_PER_MINUTE.get_expiry(),
        )


async def _enroll(
    request: Request, enrolment: Enrolment, _pace: Annotated[None, Depends(_paced)]
) -> Enrolled:
    """Check the signature, then enrol. The answer leaves after the commit."""
    public_key = _public_key(enrolment)
    seal = await _checked_seal(request, public_key)
    digest = presented_digest(enrolment.token)
    database: Database = request.app.state.database
    try:
        async with database.transaction(presented=digest) as session:
            tenant_id = await tenant_of_token(session, digest=digest)
            await enter(session, tenant_id=tenant_id)
            enrolled = await enrol_machine(
                session,
                tenant_id=tenant_id,
                token_digest=digest,
                machine=Machine(
                    host_name=enrolment.host_name,
                    chosen_name=enrolment.name,
                    digest=enrolment.machine_digest,
                    public_key=public_key,
                    sequence=seal.sequence,
                    agent_version=enrolment.agent_version,
                ),
                now=utc_now(),
            )
    except IdentityRefusedError as refusal:
        async with database.transaction(tenant_id=refusal.tenant_id) as session:
            events = [refusal.event]
            await append_events(session, tenant_id=refusal.tenant_id, events=events, at=utc_now())
        raise Conflict(str(refusal), field="name") from refusal
    return Enrolled(
        agent_id=enrolled.agent_id,
        name=enrolled.name,
        is_new=enrolled.is_new,
        hub_version=version("monsys-hub"),
        interval_seconds=REPORT_INTERVAL_SECONDS,
    )


async def _retire(agent: Agent) -> Retired:
    """Retire the server whose key signed this. The answer leaves after the commit."""
    await retire_itself(
        agent.session, tenant_id=agent.tenant_id, agent_id=agent.agent_id, now=utc_now()
    )
    return Retired()


def _public_key(enrolment: Enrolment) -> bytes:
    try:
        key = base64.b64decode(enrolment.public_key, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != _KEY_BYTES:
        raise InvalidInput("`public_key` must be 32 bytes in base64.", field="public_key")
    return key


async def _checked_seal(request: Request, public_key: bytes) -> Seal:
    """Return the seal of a request that the owner of this key signed just now."""
    try:
        seal = read_seal(
            *(
                request.headers.get(name, "")
                for name in (KEY_HEADER, SEQUENCE_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER)
            )
        )
    except ValueError as error:
        raise Unauthenticated(
            f"The header {error} is missing or malformed; an enrolment is signed like a report."
        ) from error
    if abs(utc_now() - seal.sent) > MAX_CLOCK_SKEW:
        raise InvalidInput(
            "The machine's clock is more than 5 minutes off; set it (NTP) and enrol again.",
            field=TIMESTAMP_HEADER,
        )
    is_genuine = seal.key_digest == public_key_digest(public_key) and is_signed_by(
        public_key,
        seal,
        method=request.method,
        path=request.url.path,
        body=await request.body(),
    )
    if not is_genuine:
        raise Unauthenticated("The signature is not one of `public_key` over this request.")
    return seal
