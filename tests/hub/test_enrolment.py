"""Enrolment over HTTP: a token is good once, a machine is one server, and each refusal says why."""

import asyncio
import base64
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID, uuid4

import httpx2
import orjson
import pytest
import pytest_asyncio
from fastapi import FastAPI
from nacl.signing import SigningKey
from sqlalchemy import func, select, update
from sqlmodel import col

from hub.audit.models import AuditRow
from hub.clock import utc_now
from hub.database import Database
from hub.faults import install_error_handlers
from hub.fleet.commands import enroll_agents
from hub.fleet.enrolment_tokens import issue_enrolment_token, pending_tokens, withdraw_token
from hub.fleet.models import Agent, AgentKey
from hub.fleet.reports import NewAgent
from hub.fleet.retirement import retire_itself
from hub.fleet.signatures import seal_headers
from hub.ingest.routes import ingest_routes
from hub.settings import Settings
from hub.tenancy.models import Tenant
from tests.factories import make_agent

PATH = "/api/v1/agents/enroll"


@pytest_asyncio.fixture
async def http(database: Database) -> AsyncIterator[httpx2.AsyncClient]:
    app = FastAPI()
    install_error_handlers(app)
    app.include_router(ingest_routes())
    app.state.database = database
    app.state.settings = Settings()
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://hub") as client:
        yield client


async def a_token(
    database: Database,
    tenant: Tenant,
    *,
    name: str | None = None,
    age: timedelta = timedelta(),
    tags: tuple[str, ...] = (),
) -> str:
    async with database.transaction(tenant_id=tenant.id) as session:
        issued = await issue_enrolment_token(
            session,
            tenant_id=tenant.id,
            made_by="ada@example.com",
            now=utc_now() - age,
            name=name,
            tags=tags,
        )
    return issued.token


class Box:
    """A machine that wants to enrol."""

    def __init__(self, host_name: str = "web-01") -> None:
        self.host_name = host_name
        self.digest = uuid4().hex * 2

    async def enrol(
        self,
        http: httpx2.AsyncClient,
        token: str,
        *,
        name: str | None = None,
        key: SigningKey | None = None,
        signed_by: SigningKey | None = None,
        clock_ahead: timedelta = timedelta(),
    ) -> httpx2.Response:
        key = key or SigningKey.generate()
        body = orjson.dumps(
            {
                "token": token,
                "public_key": base64.b64encode(key.verify_key.encode()).decode(),
                "host_name": self.host_name,
                "name": name,
                "machine_digest": self.digest,
                "agent_version": "0.1.0",
            }
        )
        headers = seal_headers(
            signed_by or key,
            method="POST",
            path=PATH,
            body=body,
            sequence=1,
            sent_at=int((utc_now() + clock_ahead).timestamp()),
        )
        return await http.post(
            PATH, content=body, headers={"Content-Type": "application/json"} | headers
        )


async def servers(database: Database, tenant: Tenant) -> dict[str, UUID]:
    async with database.transaction(tenant_id=tenant.id) as session:
        rows = await session.execute(
            select(col(Agent.name), col(Agent.id)).where(col(Agent.retired_at).is_(None))
        )
        return {row.name: row.id for row in rows}


async def living_keys(database: Database, tenant: Tenant) -> int:
    async with database.transaction(tenant_id=tenant.id) as session:
        statement = select(func.count()).select_from(AgentKey)
        return await session.scalar(statement.where(col(AgentKey.revoked_at).is_(None))) or 0


def refusal(response: httpx2.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["message"]


async def test_a_machine_with_a_token_becomes_a_server(
    http: httpx2.AsyncClient, database: Database, tenant: Tenant
) -> None:
    token = await a_token(database, tenant, tags=("env:test",))
    key, box = SigningKey.generate(), Box()
    response = await box.enrol(http, token, key=key)
    assert response.status_code == 201
    answer = response.json()
    assert {name: answer[name] for name in ("name", "is_new", "interval_seconds")} == {
        "name": "web-01",
        "is_new": True,
        "interval_seconds": 15,
    }
    async with database.transaction(tenant_id=tenant.id) as session:
        agent = (await session.scalars(select(Agent))).one()
        pinned = (await session.scalars(select(AgentKey))).one()
        waiting = await pending_tokens(session, now=utc_now())
        event = (await session.scalars(select(AuditRow))).one()
    assert str(agent.id) == answer["agent_id"]
    assert (agent.tags, agent.machine_digest, agent.is_enrolled) == (["env:test"], box.digest, True)
    assert (pinned.agent_id, pinned.public_key) == (agent.id, key.verify_key.encode())
    assert waiting == []
    assert (event.event_type, event.actor, event.details) == (
        "agent_enrolled",
        "web-01",
        {"agent": "web-01", "again": False, "token_made_by": "ada@example.com"},
    )


async def test_of_fifty_machines_with_one_token_exactly_one_wins(
    http: httpx2.AsyncClient, database: Database, tenant: Tenant
) -> None:
    token = await a_token(database, tenant)
    boxes = [Box(f"web-{number:02}") for number in range(50)]
    answers = await asyncio.gather(*(box.enrol(http, token) for box in boxes))
    assert sorted(answer.status_code for answer in answers) == [201] + [401] * 49
    assert {refusal(answer)[1] for answer in answers if answer.status_code == 401} == {
        (
            "This enrolment token was used already; it is good once. Make a new one in the"
            " dashboard or with `monsys agent token`."
        )
    }
    assert len(await servers(database, tenant)) == 1
    assert await living_keys(database, tenant) == 1


async def test_machines_that_race_for_the_last_place_do_not_both_get_it(
    http: httpx2.AsyncClient, database: Database, tenant: Tenant
) -> None:
    tokens = [await a_token(database, tenant) for _ in range(8)]
    boxes = [Box(f"web-{number}") for number in range(8)]
    answers = await asyncio.gather(
        *(box.enrol(http, token) for box, token in zip(boxes, tokens, strict=True))
    )
    assert sorted(answer.status_code for answer in answers) == [201] * 5 + [409] * 3
    assert len(await servers(database, tenant)) == 5


async def test_one_machine_with_two_tokens_at_once_is_one_server(
    http: httpx2.AsyncClient, database: Database, tenant: Tenant
) -> None:
    box = Box()
    tokens = [await a_token(database, tenant) for _ in range(6)]
    answers = await asyncio.gather(*(box.enrol(http, token) for token in tokens))
    assert [answer.status_code for answer in answers] == [201] * 6
    assert len({answer.json()["agent_id"] for answer in answers}) == 1
    assert await living_keys(database, tenant) == 1


async def test_beyond_the_plan_the_refusal_says_what_to_do_and_the_token_stays_good(
    http: httpx2.AsyncClient, database: Database, tenant: Tenant
) -> None:
    async with database.transaction(tenant_id=tenant.id) as session:
        five = [NewAgent(name=f"db-{number}") for number in range(5)]
        await enroll_agents(session, tenant_id=tenant.id, agents=five)
    token, box = await a_token(database, tenant), Box()
    status, message = refusal(await box.enrol(http, token))
    assert status == 409
    assert message.startswith("The free plan covers 5 servers, and 5 are enrolled. ")
    assert "raise the limit" in message
    assert "web-01" not in await servers(database, tenant)

    async with database.transaction(tenant_id=tenant.id) as session:
        known = await session.get_one(Tenant, tenant.id)
        known.server_limit = 6
        session.add(known)
    assert (await box.enrol(http, token)).status_code == 201


async def test_a_machine_that_enrols_again_is_the_same_server_with_a_new_key(
    http: httpx2.AsyncClient, database: Database, tenant: Tenant
) -> None:
    box = Box()
    first = await box.enrol(http, await a_token(database, tenant))
    box.host_name = "renamed-01"
    second = await box.enrol(http, await a_token(database, tenant))
    assert second.json()["agent_id"] == first.json()["agent_id"]
    assert (second.json()["name"], second.json()["is_new"]) == ("renamed-01", False)
    assert list(await servers(database, tenant)) == ["renamed-01"]
    assert await living_keys(database, tenant) == 1


async def test_enrolling_again_needs_no_further_place(
    http: httpx2.AsyncClient, database: Database, tenant: Tenant
) -> None:
    box = Box()
    await box.enrol(http, await a_token(database, tenant))
    async with database.transaction(tenant_id=tenant.id) as session:
        four = [NewAgent(name=f"db-{number}") for number in range(4)]
        await enroll_agents(session, tenant_id=tenant.id, agents=four)
    assert (await box.enrol(http, await a_token(database, tenant))).status_code == 201


async def test_a_retired_machine_takes_no_place_under_the_name_of_another(
    http: httpx2.AsyncClient, database: Database, tenant: Tenant
) -> None:
    box = Box()
    first = await box.enrol(http, await a_token(database, tenant))
    async with database.transaction(tenant_id=tenant.id) as session:
        agent_id = UUID(first.json()["agent_id"])
        await retire_itself(session, tenant_id=tenant.id, agent_id=agent_id, now=utc_now())
        five = [NewAgent(name=f"db-{number}") for number in range(5)]
        await enroll_agents(session, tenant_id=tenant.id, agents=five)
    box.host_name = "db-0"
    status, message = refusal(await box.enrol(http, await a_token(database, tenant)))
    assert (status, "covers 5 servers" in message) == (409, True)
    assert len(await servers(database, tenant)) == 5


async def test_a_second_machine_of_the_same_name_is_refused_and_told_how(
    http: httpx2.AsyncClient, database: Database, tenant: Tenant
) -> None:
    first = await Box().enrol(http, await a_token(database, tenant))
    token, second = await a_token(database, tenant), Box()
    status, message = refusal(await second.enrol(http, token))
    assert (status, message) == (
        409,
        (
            "Another machine is enrolled under this name. Choose another with `--name`; or, if this"
            " machine replaces that one, use a token made for the name (`monsys agent token NAME`)."
        ),
    )
    assert (await second.enrol(http, token, name="web-02")).json()["name"] == "web-02"
    assert (await servers(database, tenant))["web-01"] == UUID(first.json()["agent_id"])


async def test_a_token_for_a_name_lets_a_replacement_take_over_what_is_silent(
    http: httpx2.AsyncClient, database: Database, tenant: Tenant
) -> None:
    first = await Box().enrol(http, await a_token(database, tenant))
    await has_been_silent(database, tenant)
    replacement = Box("fresh-install")
    second = await replacement.enrol(http, await a_token(database, tenant, name="web-01"))
    assert second.json()["agent_id"] == first.json()["agent_id"]
    assert second.json()["name"] == "web-01"
    assert await living_keys(database, tenant) == 1
    assert (await told(database, tenant))[-1] == (
        "agent_enrolled",
        {
            "agent": "web-01",
            "again": True,
            "token_made_by": "ada@example.com",
            "replaced_machine": True,
        },
    )


async def test_a_token_for_a_name_replaces_no_machine_that_still_reports(
    http: httpx2.AsyncClient, database: Database, tenant: Tenant
) -> None:
    first = await Box().enrol(http, await a_token(database, tenant))
    await has_been_silent(database, tenant)
    async with database.transaction(tenant_id=tenant.id) as session:
        seen_at = utc_now() - timedelta(seconds=80)
        await session.execute(update(Agent).values(last_seen_at=seen_at))
    token = await a_token(database, tenant, name="web-01")
    status, message = refusal(await Box().enrol(http, token))
    assert (status, message.split(".")[0]) == (
        409,
        "The machine that is enrolled under this name still reports",
    )
    await nothing_was_taken(database, tenant, first)


async def test_a_token_that_was_made_for_a_new_server_replaces_none_that_came_since(
    http: httpx2.AsyncClient, database: Database, tenant: Tenant
) -> None:
    leaked = await a_token(database, tenant, name="web-01", age=timedelta(minutes=50))
    first = await Box().enrol(http, await a_token(database, tenant))
    await has_been_silent(database, tenant, minutes=40)
    status, message = refusal(await Box().enrol(http, leaked))
    assert (status, message.split(".")[0]) == (
        409,
        "Another machine enrolled under this name after the token was made",
    )
    await nothing_was_taken(database, tenant, first)


async def test_a_token_for_a_new_server_does_not_rename_a_known_machine(
    http: httpx2.AsyncClient, database: Database, tenant: Tenant
) -> None:
    box = Box()
    first = await box.enrol(http, await a_token(database, tenant))
    token = await a_token(database, tenant, name="web-02")
    status, message = refusal(await box.enrol(http, token))
    assert (status, message.split(".")[0]) == (
        409,
        "This machine is enrolled under another name than the token's",
    )
    await nothing_was_taken(database, tenant, first, wanted="web-02")
    assert (await Box().enrol(http, token)).json()["name"] == "web-02"  # it stayed good


async def test_a_machine_may_show_a_token_made_for_its_own_name_at_any_time(
    http: httpx2.AsyncClient, database: Database, tenant: Tenant
) -> None:
    box = Box()
    tokens = [await a_token(database, tenant, name="web-01") for _ in range(2)]
    answers = [await box.enrol(http, token) for token in tokens]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert len({answer.json()["agent_id"] for answer in answers}) == 1


async def test_that_a_machine_is_called_otherwise_now_is_told(
    http: httpx2.AsyncClient, database: Database, tenant: Tenant
) -> None:
    box = Box()
    await box.enrol(http, await a_token(database, tenant))
    await box.enrol(http, await a_token(database, tenant), name="web-09")
    assert (await told(database, tenant))[-1] == (
        "agent_enrolled",
        {
            "agent": "web-09",
            "again": True,
            "token_made_by": "ada@example.com",
            "renamed_from": "web-01",
        },
    )


async def has_been_silent(database: Database, tenant: Tenant, *, minutes: int = 2) -> None:
    """Let all keys have been pinned so long ago, and nothing have come since."""
    async with database.transaction(tenant_id=tenant.id) as session:
        pinned_at = utc_now() - timedelta(minutes=minutes)
        await session.execute(update(AgentKey).values(pinned_at=pinned_at))


async def told(database: Database, tenant: Tenant) -> list[tuple[str, dict[str, object]]]:
    async with database.transaction(tenant_id=tenant.id) as session:
        rows = await session.scalars(select(AuditRow).order_by(col(AuditRow.seq)))
        return [(row.event_type, row.details) for row in rows]


async def nothing_was_taken(
    database: Database, tenant: Tenant, first: httpx2.Response, *, wanted: str = "web-01"
) -> None:
    """Assert that the server is the machine that it was, and that the attempt is known."""
    assert await servers(database, tenant) == {"web-01": UUID(first.json()["agent_id"])}
    assert await living_keys(database, tenant) == 1
    assert (await told(database, tenant))[-1] == (
        "agent_enrolment_refused",
        {"agent": wanted, "token_made_by": "ada@example.com"},
    )


async def test_a_token_for_a_name_is_good_for_no_other(
    http: httpx2.AsyncClient, database: Database, tenant: Tenant
) -> None:
    token = await a_token(database, tenant, name="web-01")
    status, message = refusal(await Box().enrol(http, token, name="web-02"))
    assert status == 409
    assert message.startswith("This enrolment token is for a server of another name.")
    assert (await Box().enrol(http, token)).status_code == 201


async def test_a_host_that_only_other_tools_knew_becomes_the_enrolled_server(
    http: httpx2.AsyncClient, database: Database, tenant: Tenant
) -> None:
    known = await make_agent(database, tenant, name="web-01", is_enrolled=False)
    response = await Box().enrol(http, await a_token(database, tenant))
    assert (response.json()["agent_id"], response.json()["is_new"]) == (str(known.id), False)


async def test_a_known_machine_keeps_its_name_when_its_host_name_is_taken(
    http: httpx2.AsyncClient, database: Database, tenant: Tenant
) -> None:
    box, other = Box("web-01"), Box("web-02")
    await box.enrol(http, await a_token(database, tenant))
    await other.enrol(http, await a_token(database, tenant))
    box.host_name = "web-02"
    assert (await box.enrol(http, await a_token(database, tenant))).json()["name"] == "web-01"
    token = await a_token(database, tenant)
    assert refusal(await box.enrol(http, token, name="web-02"))[0] == 409


@pytest.mark.parametrize(
    ("token", "words"),
    [
        ("", "This is no enrolment token"),
        ("met_short", "This is no enrolment token"),
        ("mat_" + "a" * 49, "This is no enrolment token"),
        ("met_" + "a" * 49, "This is no enrolment token"),
    ],
)
async def test_what_no_hub_made_is_no_token(
    http: httpx2.AsyncClient, token: str, words: str
) -> None:
    status, message = refusal(await Box().enrol(http, token))
    assert status == 401
    assert message.startswith(words)


async def test_an_expired_token_is_refused(
    http: httpx2.AsyncClient, database: Database, tenant: Tenant
) -> None:
    token = await a_token(database, tenant, age=timedelta(minutes=61))
    status, message = refusal(await Box().enrol(http, token))
    assert (status, message.split(".")[0]) == (401, "This enrolment token has expired")
    assert await servers(database, tenant) == {}


async def test_a_withdrawn_token_is_not_known(
    http: httpx2.AsyncClient, database: Database, tenant: Tenant
) -> None:
    token = await a_token(database, tenant)
    async with database.transaction(tenant_id=tenant.id) as session:
        (pending,) = await pending_tokens(session, now=utc_now())
        await withdraw_token(session, token_id=pending.id)
    status, message = refusal(await Box().enrol(http, token))
    assert (status, message.split(",")[0]) == (401, "This enrolment token is not known")


async def test_a_token_enrols_in_its_own_tenant_only(
    http: httpx2.AsyncClient, database: Database, tenant: Tenant, other_tenant: Tenant
) -> None:
    await Box().enrol(http, await a_token(database, other_tenant))
    assert await servers(database, tenant) == {}
    assert list(await servers(database, other_tenant)) == ["web-01"]


async def test_a_key_that_was_pinned_is_not_pinned_again_for_anybody(
    http: httpx2.AsyncClient, database: Database, tenant: Tenant, other_tenant: Tenant
) -> None:
    key = SigningKey.generate()
    await Box().enrol(http, await a_token(database, tenant), key=key)
    token = await a_token(database, other_tenant)
    status, message = refusal(await Box().enrol(http, token, key=key))
    assert (status, message.split(".")[0]) == (409, "This key was pinned before")
    assert await servers(database, other_tenant) == {}


async def test_a_machine_that_cannot_sign_with_its_key_is_refused(
    http: httpx2.AsyncClient, database: Database, tenant: Tenant
) -> None:
    token = await a_token(database, tenant)
    stolen, own = SigningKey.generate(), SigningKey.generate()
    status, message = refusal(await Box().enrol(http, token, key=stolen, signed_by=own))
    assert (status, message) == (
        401,
        "The signature is not one of `public_key` over this request.",
    )
    assert (await Box().enrol(http, token)).status_code == 201  # the token was not used up


@pytest.mark.parametrize("minutes", [-6, 6])
async def test_a_machine_whose_clock_is_off_is_told_so(
    http: httpx2.AsyncClient, database: Database, tenant: Tenant, minutes: int
) -> None:
    token = await a_token(database, tenant)
    off = timedelta(minutes=minutes)
    status, message = refusal(await Box().enrol(http, token, clock_ahead=off))
    assert status == 422
    assert "clock is more than 5 minutes off" in message
