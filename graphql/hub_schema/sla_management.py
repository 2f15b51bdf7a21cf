"""Mutations of service levels: targets are made, maintenance is declared and withdrawn."""

from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

import strawberry
from sqlalchemy.ext.asyncio import AsyncSession

from hub.errors import InvalidInput
from hub.principal import Permission, Principal
from hub.sla.commands import create_target
from hub.sla.maintenance import declare_maintenance, withdraw_maintenance
from hub.sla.models import SlaIndicator
from hub.sla.probes import Request
from hub.sla.probing import allow_private_addresses, set_probe
from hub.sla.queries import check_new_target
from hub_schema.context import Info
from hub_schema.directives import EgressClass, guarded_mutation, leaf

_MIN_INTERVAL, _MAX_INTERVAL = 60, 3600
_MAX_TIMEOUT = 30.0


@strawberry.input(description="How a web address is asked.")
class HttpProbeInput:
    """Probe of a target."""

    url: str = strawberry.field(description="An http:// or https:// address.")
    interval_seconds: int = strawberry.field(description="60 to 3600.", default=60)
    timeout_seconds: float = strawberry.field(description="Up to 30.", default=10.0)
    expected_status: int = strawberry.field(description="What is a good answer.", default=200)
    verifies_tls: bool = strawberry.field(
        description="Whether a certificate that is not valid is a bad answer.", default=True
    )


@strawberry.input(description="What is promised, and how it is observed.")
class CreateSlaTargetInput:
    """Arguments of createSlaTarget."""

    name: str = strawberry.field(description="What people call it; unique.")
    indicator: SlaIndicator = strawberry.field(description="What is observed.")
    objective_percent: float = strawberry.field(description="The share of good time, 99.9 say.")
    window_days: int = strawberry.field(description="1, 7, 28, 30 or 90.", default=30)
    is_calendar_month: bool = strawberry.field(
        description="The calendar month instead of a rolling window.", default=False
    )
    time_zone: str = strawberry.field(description="Of the calendar month.", default="UTC")
    minimum_data_percent: float = strawberry.field(
        description="With less of the window known, the state is unknown.", default=95.0
    )
    description: str = strawberry.field(description="What was promised to whom.", default="")
    agent_id: UUID | None = strawberry.field(description="The host it is about.", default=None)
    probe: HttpProbeInput | None = strawberry.field(
        description="For http_probe: how the address is asked.", default=None
    )


@strawberry.input(description="A period that does not count.")
class DeclareMaintenanceInput:
    """Arguments of declareMaintenance."""

    starts_at: datetime = strawberry.field(description="When it begins or began.")
    ends_at: datetime = strawberry.field(description="When it ends or ended.")
    reason: str = strawberry.field(description="Why, at most 500 characters.")
    target_id: UUID | None = strawberry.field(description="Null: all targets.", default=None)


@strawberry.input(description="Which maintenance counts again.")
class WithdrawMaintenanceInput:
    """Arguments of withdrawMaintenance."""

    id: UUID = strawberry.field(description="What declareMaintenance returned.")


@strawberry.input(description="What this tenant's probes may call.")
class AllowPrivateProbesInput:
    """Arguments of allowPrivateProbes."""

    is_allowed: bool = strawberry.field(description="Whether private addresses may be called.")


@strawberry.type(description="What a mutation of service levels made or changed.")
class SlaChangePayload:
    """Answer of the mutations of service levels."""

    id: UUID | None = leaf(
        EgressClass.IDENTIFIER, "Of the target or the maintenance; null for a setting."
    )


async def make_target(
    session: AsyncSession, *, principal: Principal, told: CreateSlaTargetInput
) -> UUID:
    """Store the target, and for an address how it is asked."""
    if (told.indicator is SlaIndicator.HTTP_PROBE) is not (told.probe is not None):
        raise InvalidInput("`probe` goes with the indicator http_probe.", field="probe")
    await check_new_target(session, name=told.name, agent_id=told.agent_id)
    target = await create_target(
        session,
        tenant_id=principal.tenant_id,
        name=told.name,
        indicator=told.indicator,
        objective=told.objective_percent / 100,
        window_days=told.window_days,
        is_calendar_month=told.is_calendar_month,
        time_zone=told.time_zone,
        minimum_data=told.minimum_data_percent / 100,
        description=told.description,
        agent_id=told.agent_id,
        is_watched=told.indicator in {SlaIndicator.AGENT_UP, SlaIndicator.ALERT_FREE},
    )
    if told.probe is not None:
        await set_probe(
            session,
            tenant_id=principal.tenant_id,
            target_id=target.id,
            request=_request(told.probe),
            interval=timedelta(seconds=told.probe.interval_seconds),
        )
    return target.id


def _request(probe: HttpProbeInput) -> Request:
    if not _MIN_INTERVAL <= probe.interval_seconds <= _MAX_INTERVAL:
        raise InvalidInput("`intervalSeconds` must be 60 to 3600.", field="intervalSeconds")
    if not 0 < probe.timeout_seconds <= _MAX_TIMEOUT:
        raise InvalidInput("`timeoutSeconds` must be up to 30.", field="timeoutSeconds")
    return Request(
        url=probe.url,
        timeout_seconds=max(0.1, probe.timeout_seconds),
        expected_status=probe.expected_status,
        verifies_tls=probe.verifies_tls,
    )


@strawberry.type(name="Mutation")
class SlaMutation:
    """Service-level fields of the mutation root."""

    @guarded_mutation(Permission.TENANT_MANAGE, "Make a service-level target.", idempotent=False)
    async def create_sla_target(
        self,
        info: Info,
        *,
        input: Annotated[  # noqa: A002 - the name every mutation's argument has
            CreateSlaTargetInput, strawberry.argument(description="What is promised.")
        ],
    ) -> SlaChangePayload:
        """Delegate."""
        context = info.context
        made = await context.work.run(make_target, principal=context.principal, told=input)
        return SlaChangePayload(id=made)

    @guarded_mutation(
        Permission.TENANT_MANAGE, "Take a period out of the count. Logged.", idempotent=False
    )
    async def declare_maintenance(
        self,
        info: Info,
        *,
        input: Annotated[  # noqa: A002
            DeclareMaintenanceInput, strawberry.argument(description="When, and why.")
        ],
    ) -> SlaChangePayload:
        """Delegate."""
        context = info.context
        declared = await context.work.run(
            declare_maintenance,
            principal=context.principal,
            target_id=input.target_id,
            starts_at=input.starts_at,
            ends_at=input.ends_at,
            reason=input.reason,
            now=context.now,
            request_id=context.request_id,
        )
        return SlaChangePayload(id=declared.id)

    @guarded_mutation(Permission.TENANT_MANAGE, "Let a period count again. Logged.")
    async def withdraw_maintenance(
        self,
        info: Info,
        *,
        input: Annotated[  # noqa: A002
            WithdrawMaintenanceInput, strawberry.argument(description="Which.")
        ],
    ) -> SlaChangePayload:
        """Delegate."""
        context = info.context
        await context.work.run(
            withdraw_maintenance,
            principal=context.principal,
            maintenance_id=input.id,
            now=context.now,
            request_id=context.request_id,
        )
        return SlaChangePayload(id=input.id)

    @guarded_mutation(
        Permission.TENANT_MANAGE,
        "Let this tenant's probes call private addresses, or no longer. Logged.",
    )
    async def allow_private_probes(
        self,
        info: Info,
        *,
        input: Annotated[  # noqa: A002
            AllowPrivateProbesInput, strawberry.argument(description="Whether they may.")
        ],
    ) -> SlaChangePayload:
        """Delegate."""
        context = info.context
        await context.work.run(
            allow_private_addresses,
            principal=context.principal,
            is_allowed=input.is_allowed,
            now=context.now,
            request_id=context.request_id,
        )
        return SlaChangePayload(id=None)
