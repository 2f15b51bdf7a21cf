"""Ingest keys on the command line and in the dashboard's schema."""

from typing import Any

import pytest
from sqlalchemy import select
from sqlmodel import col

from hub.audit.models import AuditRow
from hub.database import Database, UnitOfWork
from hub.opaque_tokens import is_well_formed
from hub.principal import Principal, Role
from hub.tenancy.models import Tenant
from hub_schema.context import Context
from hub_schema.schema import schema
from tests.factories import connector, make_tenant, person

CREATE = """mutation($name: String!) {
  createIngestKey(input: {source: falco, name: $name, defaultHost: "edge-9"}) {
    key ingestKey { id source name defaultHost madeBy lastUsedAt revokedAt }
  }
}"""
LIST = "{ ingestSettings { acceptsUnknownHosts keys { id name revokedAt } } }"
REVOKE = "mutation($id: UUID!) { revokeIngestKey(input: {id: $id}) { ingestKey { revokedAt } } }"
ACCEPT = "mutation { acceptUnknownHosts(input: {accepts: true}) { acceptsUnknownHosts } }"


async def run(database: Database, principal: Principal, document: str, **variables: Any) -> Any:
    async with database.transaction(tenant_id=principal.tenant_id) as session:
        context = Context(UnitOfWork(session), principal)
        result = await schema.execute(document, variable_values=variables, context_value=context)
    if result.errors:
        raise result.errors[0].original_error or result.errors[0]
    return result.data


async def test_an_admin_makes_lists_and_revokes_keys(database: Database) -> None:
    tenant = await make_tenant(database)
    admin = person(tenant, role=Role.ADMIN)
    made = (await run(database, admin, CREATE, name="edge"))["createIngestKey"]
    assert is_well_formed(made["key"], "mik_")
    assert made["ingestKey"] == {
        "id": made["ingestKey"]["id"],
        "source": "falco",
        "name": "edge",
        "defaultHost": "edge-9",
        "madeBy": "operator@example.com",
        "lastUsedAt": None,
        "revokedAt": None,
    }
    told = (await run(database, admin, REVOKE, id=made["ingestKey"]["id"]))["revokeIngestKey"]
    assert told["ingestKey"]["revokedAt"] is not None
    assert (await run(database, admin, ACCEPT))["acceptUnknownHosts"]["acceptsUnknownHosts"]
    listed = (await run(database, admin, LIST))["ingestSettings"]
    assert listed["acceptsUnknownHosts"] is True
    assert [key["id"] for key in listed["keys"]] == [made["ingestKey"]["id"]]
    async with database.transaction(tenant_id=tenant.id) as session:
        events = await session.scalars(select(col(AuditRow.event_type)).order_by(col(AuditRow.seq)))
        assert list(events) == [
            "ingest_key_created",
            "ingest_key_revoked",
            "ingest_settings_changed",
        ]


@pytest.mark.parametrize("document", [CREATE, LIST, ACCEPT])
async def test_others_see_and_change_nothing(document: str, database: Database) -> None:
    tenant: Tenant = await make_tenant(database)
    variables = {"name": "edge"} if document is CREATE else {}
    for principal in (person(tenant), connector(tenant, role=Role.OWNER)):
        with pytest.raises(Exception, match="tenant:manage"):
            await run(database, principal, document, **variables)
