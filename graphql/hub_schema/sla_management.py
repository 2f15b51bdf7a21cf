"""Mutations of service levels: targets, and maintenance."""

from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

import strawberry

from hub.principal import Permission
from hub.sla.maintenance import declare_maintenance, withdraw_maintenance
from hub.sla.models import SlaIndicator
from hub.sla.probes import Request
from hub.sla.probing import allow_private_addresses
from hub.sla.targets import (
    NewTarget,
    Probe,
    TargetChange,
    change_target,
    make_target,
    remove_target,
)
from hub_schema.context import Info
from hub_schema.directives import EgressClass, guarded_mutation, leaf


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

    def as_probe(self) -> Probe:
        """Return it in the domain's own terms."""
        return Probe(
            request=Request(
                url=self.url,
                timeout_seconds=self.timeout_seconds,
                expected_status=self.expected_status,
                verifies_tls=self.verifies_tls,
            ),
            interval=timedelta(seconds=self.interval_seconds),
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


@strawberry.input(description="What is to be different about a target.")
class ChangeSlaTargetInput:
    """Arguments of changeSlaTarget; what is left out stays."""

    id: UUID = strawberry.field(description="Which target.")
    name: str | None = strawberry.field(description="What people call it.", default=None)
    description: str | None = strawberry.field(
        description="What was promised to whom.", default=None
    )
    objective_percent: float | None = strawberry.field(
        description="The share of good time, 99.9 say.", default=None
    )
    minimum_data_percent: float | None = strawberry.field(
        description="With less of the window known, the state is unknown.", default=None
    )


@strawberry.input(description="Which target is removed.")
class RemoveSlaTargetInput:
    """Arguments of removeSlaTarget."""

    id: UUID = strawberry.field(description="Which target.")


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


def _new_target(told: CreateSlaTargetInput) -> NewTarget:
    """Return the target in the domain's own terms."""
    return NewTarget(
        name=told.name,
        indicator=told.indicator,
        objective_percent=told.objective_percent,
        window_days=told.window_days,
        is_calendar_month=told.is_calendar_month,
        time_zone=told.time_zone,
        minimum_data_percent=told.minimum_data_percent,
        description=told.description,
        agent_id=told.agent_id,
        probe=told.probe.as_probe() if told.probe else None,
    )


@strawberry.type(name="Mutation")
class SlaMutation:
    """Service-level fields of the mutation root."""

    @guarded_mutation(
        Permission.TENANT_MANAGE, "Make a service-level target. Logged.", idempotent=False
    )
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
        made = await context.work.run(
            make_target,
            principal=context.principal,
            target=_new_target(input),
            now=context.now,
            request_id=context.request_id,
        )
        return SlaChangePayload(id=made)

    @guarded_mutation(
        Permission.TENANT_MANAGE,
        "Change what a target promises, or its name. The past is judged anew. Logged.",
    )
    async def change_sla_target(
        self,
        info: Info,
        *,
        input: Annotated[  # noqa: A002
            ChangeSlaTargetInput, strawberry.argument(description="Which, and what.")
        ],
    ) -> SlaChangePayload:
        """Delegate."""
        context = info.context
        await context.work.run(
            change_target,
            principal=context.principal,
            target_id=input.id,
            change=TargetChange(
                name=input.name,
                description=input.description,
                objective_percent=input.objective_percent,
                minimum_data_percent=input.minimum_data_percent,
            ),
            now=context.now,
            request_id=context.request_id,
        )
        return SlaChangePayload(id=input.id)

    @guarded_mutation(
        Permission.TENANT_MANAGE,
        "Remove a target with its history. Needs a fresh one-time code. Logged.",
        idempotent=False,
        destructive=True,
    )
    async def remove_sla_target(
        self,
        info: Info,
        *,
        input: Annotated[  # noqa: A002
            RemoveSlaTargetInput, strawberry.argument(description="Which.")
        ],
    ) -> SlaChangePayload:
        """Delegate."""
        context = info.context
        await context.work.run(
            remove_target,
            principal=context.principal,
            target_id=input.id,
            now=context.now,
            request_id=context.request_id,
        )
        return SlaChangePayload(id=input.id)

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
