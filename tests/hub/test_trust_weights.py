"""Weights of the Trust Score: an owner with a fresh code changes them, in versions, audited."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlmodel import col

from hub.audit.models import AuditRow
from hub.database import Database
from hub.errors import Forbidden, InvalidInput
from hub.principal import Principal, Role
from hub.severity import Severity
from hub.tenancy.models import Tenant
from hub.tenancy.step_up import StepUpRequired
from hub.trust.commands import Signal, record_signals
from hub.trust.models import TrustComponent, TrustState, TrustWeights
from hub.trust.score import COMPONENT_WEIGHTS
from hub.trust.weights import change_weights
from tests.factories import connector, person

NOW = datetime(2026, 11, 2, 8, tzinfo=UTC)
MORE_BACKUP = {**COMPONENT_WEIGHTS, TrustComponent.BACKUP: 30.0}


def owner(tenant: Tenant, *, role: Role = Role.OWNER, minutes_ago: float = 1) -> Principal:
    shown_at = NOW - timedelta(minutes=minutes_ago)
    return replace(person(tenant, role=role), second_factor_at=shown_at)


async def change(
    database: Database, principal: Principal, weights: dict[TrustComponent, float]
) -> int:
    async with database.transaction(tenant_id=principal.tenant_id) as session:
        changed = await change_weights(session, principal=principal, weights=weights, now=NOW)
        return changed.version


async def test_a_change_is_a_version_in_force_at_once_and_in_the_audit_trail(
    database: Database, tenant: Tenant
) -> None:
    signals = [
        Signal(
            component=component,
            source=component.value,
            subject="db-1",
            key="nightly",
            severity=severity,
            observed_at=NOW,
        )
        for component, severity in (
            (TrustComponent.BACKUP, Severity.CRITICAL),
            (TrustComponent.CVES, Severity.INFO),
        )
    ]
    async with database.transaction(tenant_id=tenant.id) as session:
        await record_signals(session, tenant_id=tenant.id, signals=signals)
    assert await change(database, owner(tenant), MORE_BACKUP) == 2
    assert await change(database, owner(tenant), MORE_BACKUP) == 2  # the same is no change
    async with database.transaction(tenant_id=tenant.id) as session:
        state = (await session.scalars(select(TrustState))).one()
        events = (await session.scalars(select(AuditRow))).all()
    # (60 x 30 + 100 x 15) / 45; before it was (60 x 10 + 100 x 15) / 25 = 84.
    assert state.score_total == pytest.approx(3300 / 45)
    assert state.weights_version == 2
    assert [(one.event_type, one.details) for one in events] == [
        ("trust_weights_changed", {"version": 2, "changed": {"backup": [10.0, 30.0]}})
    ]


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.OWNER])
async def test_nobody_but_an_owner_may(role: Role, database: Database, tenant: Tenant) -> None:
    with pytest.raises(Forbidden, match="owner"):
        await change(database, owner(tenant, role=role), MORE_BACKUP)
    await _nothing_changed(database, tenant)


async def test_a_code_must_be_fresh_and_a_connector_never_may(
    database: Database, tenant: Tenant
) -> None:
    stale = owner(tenant, minutes_ago=6)
    for principal in (stale, person(tenant, role=Role.OWNER), connector(tenant, role=Role.OWNER)):
        with pytest.raises(StepUpRequired):
            await change(database, principal, MORE_BACKUP)
    await _nothing_changed(database, tenant)


@pytest.mark.parametrize(
    "weights",
    [
        {},
        {name: weight for name, weight in COMPONENT_WEIGHTS.items() if weight > 10},
        {**COMPONENT_WEIGHTS, TrustComponent.BACKUP: -1.0},
        {**COMPONENT_WEIGHTS, TrustComponent.BACKUP: float("nan")},
        dict.fromkeys(TrustComponent, 0.0),
    ],
)
async def test_weights_name_every_component_with_a_number(
    weights: dict[TrustComponent, float], database: Database, tenant: Tenant
) -> None:
    with pytest.raises(InvalidInput, match="weights"):
        await change(database, owner(tenant), weights)
    await _nothing_changed(database, tenant)


async def _nothing_changed(database: Database, tenant: Tenant) -> None:
    async with database.transaction(tenant_id=tenant.id) as session:
        assert (await session.scalars(select(col(TrustWeights.version)))).all() == []
        assert (await session.scalars(select(col(AuditRow.seq)))).all() == []
