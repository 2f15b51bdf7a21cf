"""Enrolment in the dashboard: an admin makes tokens and retires servers; nobody else does."""

from typing import Any

import pytest
from sqlalchemy import func, select
from sqlmodel import col

from hub.audit.models import AuditRow
from hub.clock import utc_now
from hub.database import Database
from hub.fleet.enrolment_tokens import issue_enrolment_token
from hub.fleet.models import Agent, AgentKey, EnrolmentToken
from hub.opaque_tokens import digest_of, is_well_formed
from hub.principal import Role
from hub.tenancy.models import Tenant
from tests.factories import person
from tests.schema.asking import ask, page, refusal
from tests.signed_agent import enrolled_agent

CREATE = page("dashboard_create_enrolment_token")
REVOKE = page("dashboard_revoke_enrolment_token")
RETIRE = page("dashboard_retire_agent")
LIST = page("dashboard_enrolment_tokens")


async def audited(database: Database, tenant: Tenant) -> list[tuple[str, str, dict[str, Any]]]:
    async with database.transaction(tenant_id=tenant.id) as session:
        rows = await session.scalars(select(AuditRow).order_by(col(AuditRow.seq)))
        return [(row.event_type, row.actor, dict(row.details)) for row in rows]


async def test_a_token_is_shown_once_listed_without_its_text_and_taken_back(
    database: Database, tenant: Tenant
) -> None:
    admin = person(tenant, role=Role.ADMIN)
    told = {"name": "web-01", "tags": ["role:web", "env:test"], "minutes": 5}
    made = await ask(database, admin, CREATE, input=told)
    assert is_well_formed(made["token"], "met_")
    shown = made["enrolmentToken"]
    assert shown["id"] == digest_of(made["token"])
    assert (shown["name"], shown["tags"]) == ("web-01", ["env:test", "role:web"])
    assert await ask(database, admin, LIST) == [shown]

    assert await ask(database, admin, REVOKE, input={"id": shown["id"]}) == {"id": shown["id"]}
    assert await ask(database, admin, LIST) == []
    again = await refusal(database, admin, REVOKE, input={"id": shown["id"]})
    assert (again["code"], again["field"]) == ("NOT_FOUND", "id")
    details = {"agent": "web-01", "token": shown["id"][:12]}
    assert await audited(database, tenant) == [
        ("enrolment_token_made", "operator@example.com", details),
        ("enrolment_token_revoked", "operator@example.com", details),
    ]


@pytest.mark.parametrize(
    ("told", "field"),
    [
        ({"minutes": 0}, "minutes"),
        ({"minutes": 10_081}, "minutes"),
        ({"name": "-web"}, "name"),
        ({"tags": ["production"]}, "tags"),
        ({"tags": [f"key:{number}" for number in range(51)]}, "tags"),
    ],
)
async def test_a_token_that_makes_no_sense_is_refused_by_its_field(
    database: Database, tenant: Tenant, told: dict[str, Any], field: str
) -> None:
    error = await refusal(database, person(tenant, role=Role.ADMIN), CREATE, input=told)
    assert (error["code"], error["field"]) == ("INVALID_INPUT", field)


async def test_a_server_is_retired_once_and_its_key_with_it(
    database: Database, tenant: Tenant
) -> None:
    admin = person(tenant, role=Role.ADMIN)
    agent = await enrolled_agent(database, tenant.id, name="web-01")
    expected = {"agentId": str(agent.agent_id), "hasChanged": True}
    assert await ask(database, admin, RETIRE, input={"agent": "web-01"}) == expected
    again = await ask(database, admin, RETIRE, input={"agent": str(agent.agent_id)})
    assert again == expected | {"hasChanged": False}
    async with database.transaction(tenant_id=tenant.id) as session:
        server = (await session.scalars(select(Agent))).one()
        key = (await session.scalars(select(AgentKey))).one()
    assert server.retired_at is not None
    assert key.revoked_at is not None
    assert [row[0] for row in await audited(database, tenant)][-1:] == ["agent_retired"]


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.ANALYST, Role.VIEWER])
async def test_others_neither_make_nor_see_tokens_nor_retire_servers(
    database: Database, tenant: Tenant, role: Role
) -> None:
    await enrolled_agent(database, tenant.id, name="web-01")
    someone = person(tenant, role=role)
    for operation, told in (
        (CREATE, {"input": {}}),
        (REVOKE, {"input": {"id": "x"}}),
        (RETIRE, {"input": {"agent": "web-01"}}),
        (LIST, {}),
    ):
        assert (await refusal(database, someone, operation, **told))["code"] == "FORBIDDEN"
    async with database.transaction(tenant_id=tenant.id) as session:
        tokens = await session.scalar(select(func.count()).select_from(EnrolmentToken))
        server = (await session.scalars(select(Agent))).one()
    assert (tokens, server.retired_at) == (1, None)


async def test_another_tenants_tokens_and_servers_are_out_of_reach(
    database: Database, tenant: Tenant, other_tenant: Tenant
) -> None:
    agent = await enrolled_agent(database, other_tenant.id, name="web-01")
    async with database.transaction(tenant_id=other_tenant.id) as session:
        token = await issue_enrolment_token(
            session, tenant_id=other_tenant.id, made_by="them", now=utc_now()
        )
    admin = person(tenant, role=Role.ADMIN)
    assert await ask(database, admin, LIST) == []
    for operation, told in (
        (REVOKE, {"id": token.id}),
        (RETIRE, {"agent": str(agent.agent_id)}),
        (RETIRE, {"agent": "web-01"}),
    ):
        assert (await refusal(database, admin, operation, input=told))["code"] == "NOT_FOUND"
