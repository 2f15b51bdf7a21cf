"""Only a key that is trusted may report, just now, and nothing of it may be changed."""

from datetime import timedelta
from typing import Any

import httpx2
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nacl.signing import SigningKey

from hub.clock import utc_now
from hub.database import Database
from hub.fleet.agent_keys import retire_keys
from hub.fleet.signatures import (
    KEY_HEADER,
    SEQUENCE_HEADER,
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
)
from hub.tenancy.models import Tenant
from tests.faults.leaks import assert_nothing_internal
from tests.hub.reporting import figures, report, stored_samples, taking_in
from tests.signed_agent import HEARTBEAT, INGEST, SignedAgent

SEAL_HEADERS = (KEY_HEADER, SEQUENCE_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER)


@pytest.mark.parametrize("path", [INGEST, HEARTBEAT])
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer mak_former"}])
async def test_what_is_not_signed_is_told_how_to_enrol(
    http: httpx2.AsyncClient, path: str, headers: dict[str, str]
) -> None:
    response = await http.post(path, json=report(), headers=headers)
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Monsys-Signature"
    error = response.json()["error"]
    assert error["code"] == "UNAUTHENTICATED"
    assert "`monsys agent enroll`" in error["message"]


@pytest.mark.parametrize("header", SEAL_HEADERS)
@pytest.mark.parametrize("value", [None, "", "nonsense", "-1", "é"])
async def test_a_header_that_is_missing_or_malformed_is_named(
    http: httpx2.AsyncClient, agent: SignedAgent, header: str, value: str | None
) -> None:
    body = orjson.dumps(figures())
    headers: dict[str, Any] = agent.headers(body)
    if value is None:
        del headers[header]
    else:
        headers[header] = value.encode()
    response = await http.post(INGEST, content=body, headers=headers)
    assert (response.status_code, response.json()["error"]["field"]) == (422, header)


async def test_a_key_that_nobody_enrolled_is_refused(
    http: httpx2.AsyncClient, agent: SignedAgent
) -> None:
    agent.key = SigningKey.generate()
    response = await agent.post(http, figures())
    assert response.status_code == 401
    assert "`monsys agent enroll`" in response.json()["error"]["message"]


@pytest.mark.parametrize("is_known_already", [True, False])
@pytest.mark.parametrize("path", [INGEST, HEARTBEAT])
async def test_a_key_that_is_trusted_no_more_is_refused(
    http: httpx2.AsyncClient,
    database: Database,
    tenant: Tenant,
    agent: SignedAgent,
    is_known_already: bool,  # noqa: FBT001 - a case of the table
    path: str,
) -> None:
    if is_known_already:
        assert (await agent.heartbeat(http)).status_code == 200
    async with database.transaction(tenant_id=tenant.id) as session:
        await retire_keys(session, agent_id=agent.agent_id, now=utc_now())
    response = await agent.post(http, figures() if path == INGEST else b"", path=path)
    assert (response.status_code, response.json()["error"]["code"]) == (403, "FORBIDDEN")
    assert await stored_samples(database, tenant.id) == 0


@pytest.mark.parametrize("what", ["body", "path", "sequence", "timestamp", "signature"])
async def test_what_was_changed_after_it_was_signed_is_refused(
    http: httpx2.AsyncClient, database: Database, tenant: Tenant, agent: SignedAgent, what: str
) -> None:
    body, path = orjson.dumps(figures()), INGEST
    headers = agent.headers(body)
    if what == "body":
        body = body.replace(b"12.5", b"12.6")
    elif what == "path":
        path, body = HEARTBEAT, body[:1000]
        headers = agent.headers(body)
    elif what == "signature":
        headers |= {SIGNATURE_HEADER: agent.headers(body)[SIGNATURE_HEADER]}
    else:
        header = SEQUENCE_HEADER if what == "sequence" else TIMESTAMP_HEADER
        headers[header] = str(int(headers[header]) + 1)
    response = await http.post(path, content=body, headers=headers)
    assert response.status_code == 401
    assert response.json()["error"]["field"] == SIGNATURE_HEADER
    assert await stored_samples(database, tenant.id) == 0


@pytest.mark.parametrize("minutes", [-6, 6])
async def test_a_hosts_wrong_clock_is_told_the_hubs(
    http: httpx2.AsyncClient, agent: SignedAgent, minutes: int
) -> None:
    response = await agent.post(http, figures(), clock_ahead=timedelta(minutes=minutes))
    assert response.status_code == 422
    error = response.json()["error"]
    assert error["field"] == TIMESTAMP_HEADER
    assert f"{utc_now():%Y-%m-%dT%H:}" in error["message"]
    assert f"{'ahead of' if minutes > 0 else 'behind'} the hub's" in error["message"]
    seconds = int(error["message"].split(" seconds ")[0].split()[-1])
    assert abs(seconds - 360) <= 2


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
async def test_no_bit_of_a_request_may_be_flipped(
    data: st.DataObject, database: Database, tenant: Tenant, agent: SignedAgent
) -> None:
    """Whatever a broken line or a forger changes, in the body or in the seal, nothing is stored."""
    body = orjson.dumps(figures())
    parts = {name: value.encode() for name, value in agent.headers(body).items()} | {"body": body}
    name = data.draw(st.sampled_from(["body", *SEAL_HEADERS]))
    place = data.draw(st.integers(0, len(parts[name]) * 8 - 1))
    flipped = bytearray(parts[name])
    flipped[place // 8] ^= 1 << (place % 8)
    parts[name] = bytes(flipped)
    content = parts.pop("body")
    async with taking_in(database, is_first_door=True) as http:
        response = await http.post(INGEST, content=content, headers=parts)  # type: ignore[arg-type]
    assert response.status_code in {401, 422}
    assert_nothing_internal(response.text)
    assert await stored_samples(database, tenant.id) == 0
