"""Every operation file answers through its plan as it does through graphql-core."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from hub.alerts.models import Alert, AlertCategory
from hub.database import Database, UnitOfWork
from hub.detections.models import Detection, RuleKind
from hub.principal import Principal, PrincipalKind
from hub.severity import Severity
from hub.tenancy.models import Tenant
from hub_schema.context import Context
from hub_schema.execution import plan_of
from hub_schema.operations import GRAPHQL_SCHEMA, Operation, operations
from hub_schema.plan import execute_planned
from tests.factories import connector, make_agent, person
from tests.schema.plan_cases import finished, shown

OPERATIONS = [
    operation for audience in ("mcp", "dashboard") for operation in operations(audience).values()
]
NOBODY = frozenset[Any]()


async def a_fleet(database: Database, tenant: Tenant) -> None:
    """Store an agent `web-1` with alerts and a detection."""
    agent = await make_agent(database, tenant, name="web-1")
    now = datetime.now(UTC)
    async with database.transaction(tenant_id=tenant.id) as session:
        for severity in Severity:
            session.add(
                Alert(
                    tenant_id=tenant.id,
                    agent_id=agent.id,
                    fingerprint=severity.value,
                    category=AlertCategory.CAPACITY,
                    severity=severity,
                    title=severity.value,
                )
            )
        session.add(
            Detection(
                tenant_id=tenant.id,
                number="DEV-2026-0001",
                agent_id=agent.id,
                rule_kind=next(iter(RuleKind)),
                technique="T1110",
                severity=Severity.HIGH,
                title="Many failed sign-ins",
                first_seen_at=now,
                last_seen_at=now,
            )
        )


def variables_of(operation: Operation) -> list[dict[str, object]]:
    """Return variables that find something, and some that do not fit."""
    known: dict[str, object] = {
        "agent": "web-1",
        "id": "DEV-2026-0001",
        "name": "web-1",
        "note": "seen",
        "limit": 3,
        "first": 3,
    }
    names = {each.variable.name.value for each in operation.definition.variable_definitions or ()}
    found = {name: value for name, value in known.items() if name in names}
    return [
        found,
        {},
        found | {"agent": "nobody", "id": str(uuid4())},
        found | {"limit": 0, "first": 0},
        found | {"after": "not a cursor"},
        dict.fromkeys(names, object()),
    ]


async def answer(
    session: AsyncSession, operation: Operation, principal: Principal, now: datetime, *, plan: Any
) -> list[Any]:
    """Run with all variables, each in a savepoint that is rolled back: mutations leave no trace."""
    answers = []
    for variables in variables_of(operation):
        savepoint = await session.begin_nested()
        context = Context(UnitOfWork(session), principal)
        context.now = now
        outcome = execute_planned(
            GRAPHQL_SCHEMA,
            operation.document,
            plan,
            context_value=context,
            variable_values=dict(variables),
        )
        answers.append(shown(await finished(outcome)))
        await savepoint.rollback()
        session.expire_all()
    return answers


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
async def test_every_operation_file_answers_as_graphql_core(
    operation: Operation, database: Database, tenant: Tenant
) -> None:
    await a_fleet(database, tenant)
    forbidden = Principal(
        kind=PrincipalKind.CONNECTOR,
        tenant_id=tenant.id,
        user_id=uuid4(),
        label="nobody",
        permissions=NOBODY,
    )
    now = datetime.now(UTC)
    for principal in (connector(tenant), person(tenant), forbidden):
        async with database.transaction(tenant_id=tenant.id) as session:
            slow = await answer(session, operation, principal, now, plan={})
            fast = await answer(session, operation, principal, now, plan=plan_of(operation))
        assert fast == slow
        assert len(fast) == len(variables_of(operation))
