"""GraphQL face of what keeps alerts quiet: mutes, and maintenance of hosts."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

import strawberry

from hub.alerts.maintenance import (
    WINDOWS,
    MaintenanceSpec,
    declare_window,
    windows_page,
    withdraw_window,
)
from hub.alerts.mutes import MUTES, MuteLength, MuteRow, MuteSubject, mute, mutes_page, unmute
from hub.alerts.rule_models import MaintenanceWindow
from hub.alerts.rule_queries import identity_of, rule_id_of
from hub.fleet.queries import agent_id_of
from hub.paging import Page
from hub.principal import Permission
from hub_schema.connections import AFTER, DEFAULT_PAGE_SIZE, FIRST, PageInfo
from hub_schema.context import Info
from hub_schema.directives import EgressClass, guarded, guarded_mutation, leaf, part
from hub_schema.enums import describe

describe(
    MuteLength,
    "How long nobody is told.",
    {
        MuteLength.ONE_HOUR: "One hour.",
        MuteLength.FOUR_HOURS: "Four hours.",
        MuteLength.ONE_DAY: "24 hours.",
        MuteLength.UNTIL_RESOLVED: "Until the last open alert that it is about is over.",
    },
)


@strawberry.type(name="AlertMute", description="That nobody is told of some alerts.")
class AlertMuteType:
    """Mute, as clients see it."""

    id: UUID = leaf(EgressClass.IDENTIFIER, "Identifies the mute in this tenant.")
    rule_name: str | None = leaf(EgressClass.ALERT_TEXT, "The rule that it is about.")
    agent_name: str | None = leaf(EgressClass.HOST_IDENTITY, "The host that it is about.")
    alert_title: str | None = leaf(EgressClass.ALERT_TEXT, "The alert that it is about.")
    reason: str = leaf(EgressClass.AUDIT_BODY, "Why.")
    created_by: str = leaf(EgressClass.PERSON, "Who wanted it.")
    created_at: datetime = leaf(EgressClass.TIME, "Since when.")
    ends_at: datetime | None = leaf(EgressClass.TIME, "Until when; null: until resolved.")

    @classmethod
    def of(cls, row: MuteRow) -> Self:
        """Shape one mute."""
        return cls(
            id=row.mute.id,
            rule_name=row.rule_name,
            agent_name=row.agent_name,
            alert_title=row.alert_title,
            reason=row.mute.reason,
            created_by=row.mute.created_by,
            created_at=row.mute.created_at,
            ends_at=row.mute.ends_at,
        )


@strawberry.type(description="A page of mutes.")
class AlertMuteConnection:
    """Mutes in force, newest first."""

    total_count: int = leaf(EgressClass.COUNT, "How many are in force.")
    nodes: list[AlertMuteType] = part("The mutes of this page.")
    page_info: PageInfo = part("Where the page ends.")

    @classmethod
    def of(cls, page: Page[MuteRow]) -> Self:
        """Shape one page."""
        last = page.rows[-1].mute if page.has_next else None
        end = MUTES.cursor_at(last.created_at, last.id) if last else None
        return cls(
            total_count=page.total or 0,
            nodes=[AlertMuteType.of(row) for row in page.rows],
            page_info=PageInfo(has_next_page=page.has_next, end_cursor=end),
        )


@strawberry.type(name="MaintenanceWindow", description="A period in which no rule opens an alert.")
class MaintenanceWindowType:
    """Window, as clients see it."""

    id: UUID = leaf(EgressClass.IDENTIFIER, "Identifies the window in this tenant.")
    agent_name: str | None = leaf(
        EgressClass.HOST_IDENTITY, "The host; null with `tag` null too: all hosts."
    )
    tag: str | None = leaf(EgressClass.HOST_IDENTITY, "The tag whose hosts it is about.")
    starts_at: datetime = leaf(EgressClass.TIME, "From when.")
    ends_at: datetime = leaf(EgressClass.TIME, "Until when.")
    reason: str = leaf(EgressClass.AUDIT_BODY, "Why.")
    counts_in_sla: bool = leaf(
        EgressClass.SERVICE_LEVEL, "Whether its time counts in the service levels all the same."
    )
    created_by: str = leaf(EgressClass.PERSON, "Who declared it.")

    @classmethod
    def of(cls, window: MaintenanceWindow, agent_name: str | None) -> Self:
        """Shape one window."""
        return cls(
            id=window.id,
            agent_name=agent_name,
            tag=window.tag,
            starts_at=window.starts_at,
            ends_at=window.ends_at,
            reason=window.reason,
            counts_in_sla=not window.sla_maintenance_ids,
            created_by=window.created_by,
        )


@strawberry.type(description="A page of maintenance windows.")
class MaintenanceWindowConnection:
    """Windows, latest start first."""

    total_count: int = leaf(EgressClass.COUNT, "How many match in all.")
    nodes: list[MaintenanceWindowType] = part("The windows of this page.")
    page_info: PageInfo = part("Where the page ends.")

    @classmethod
    def of(cls, page: Page[tuple[MaintenanceWindow, str | None]]) -> Self:
        """Shape one page."""
        last = page.rows[-1][0] if page.has_next else None
        end = WINDOWS.cursor_at(last.starts_at, last.id) if last else None
        return cls(
            total_count=page.total or 0,
            nodes=[MaintenanceWindowType.of(*row) for row in page.rows],
            page_info=PageInfo(has_next_page=page.has_next, end_cursor=end),
        )


@strawberry.input(description="Of which alerts nobody is told: those of one thing.")
class MuteAlertsInput:
    """Arguments of muteAlerts."""

    length: MuteLength = strawberry.field(description="For how long.")
    alert: str | None = strawberry.field(description="One open alert: its id.", default=None)
    rule: str | None = strawberry.field(description="A rule: its id or name.", default=None)
    agent: str | None = strawberry.field(description="A host: its name or id.", default=None)
    reason: str = strawberry.field(description="Why, at most 500 characters.", default="")


@strawberry.input(description="Which mute ends.")
class UnmuteAlertsInput:
    """Arguments of unmuteAlerts."""

    id: str = strawberry.field(description="The mute's id.")


@strawberry.input(description="When, why, and for whom: a host, a tag, or all hosts.")
class DeclareMaintenanceWindowInput:
    """Arguments of declareMaintenanceWindow."""

    starts_at: datetime = strawberry.field(description="From when.")
    ends_at: datetime = strawberry.field(description="Until when; at most 90 days later.")
    reason: str = strawberry.field(description="Why, at most 500 characters.")
    agent: str | None = strawberry.field(description="A host: its name or id.", default=None)
    tag: str | None = strawberry.field(description="A tag such as env:prod.", default=None)
    excludes_from_sla: bool = strawberry.field(
        description="Whether the time counts in no service level of these hosts.", default=True
    )


@strawberry.input(description="Which maintenance ends or does not take place.")
class WithdrawMaintenanceWindowInput:
    """Arguments of withdrawMaintenanceWindow."""

    id: str = strawberry.field(description="The window's id.")


@strawberry.type(description="A mute that was made or ended.")
class AlertMutePayload:
    """Answer of the mutations of mutes."""

    id: UUID = leaf(EgressClass.IDENTIFIER, "The mute's id.")


@strawberry.type(description="A window that was declared or withdrawn.")
class MaintenanceWindowPayload:
    """Answer of the mutations of windows."""

    id: UUID = leaf(EgressClass.IDENTIFIER, "The window's id.")


@strawberry.type(name="Query")
class AlertMuteQuery:
    """Mute and maintenance fields of the query root."""

    @guarded(Permission.ALERTS_READ, "Mutes in force, newest first.")
    async def alert_mutes(
        self,
        info: Info,
        *,
        first: Annotated[int, FIRST] = DEFAULT_PAGE_SIZE,
        after: Annotated[str | None, AFTER] = None,
    ) -> AlertMuteConnection:
        """Delegate, shape the answer."""
        context = info.context
        page = await context.work.run(mutes_page, now=context.now, first=first, after=after)
        return AlertMuteConnection.of(page)

    @guarded(Permission.ALERTS_READ, "Maintenance to come and under way, or past.")
    async def maintenance_windows(
        self,
        info: Info,
        *,
        is_over: Annotated[bool, strawberry.argument(description="Those past instead.")] = False,
        first: Annotated[int, FIRST] = DEFAULT_PAGE_SIZE,
        after: Annotated[str | None, AFTER] = None,
    ) -> MaintenanceWindowConnection:
        """Delegate, shape the answer."""
        context = info.context
        page = await context.work.run(
            windows_page, now=context.now, is_over=is_over, first=first, after=after
        )
        return MaintenanceWindowConnection.of(page)


@strawberry.type(name="Mutation")
class AlertMuteMutation:
    """Mute and maintenance fields of the mutation root."""

    @guarded_mutation(
        Permission.ALERTS_MUTE,
        "Tell nobody of some alerts for a while; they open and are seen. Logged.",
        idempotent=False,
    )
    async def mute_alerts(
        self,
        info: Info,
        *,
        input: Annotated[  # noqa: A002 - the name every mutation's argument has
            MuteAlertsInput, strawberry.argument(description="Which, and for how long.")
        ],
    ) -> AlertMutePayload:
        """Delegate."""
        context, run = info.context, info.context.work.run
        subject = MuteSubject(
            rule_id=await run(rule_id_of, input.rule, field="rule") if input.rule else None,
            agent_id=await run(agent_id_of, input.agent) if input.agent else None,
            alert_id=identity_of(input.alert, "No alert has this id.") if input.alert else None,
        )
        made = await run(
            mute,
            principal=context.principal,
            subject=subject,
            length=input.length,
            reason=input.reason,
            now=context.now,
            request_id=context.request_id,
        )
        return AlertMutePayload(id=made)

    @guarded_mutation(Permission.ALERTS_MUTE, "End a mute; what is still open is told now. Logged.")
    async def unmute_alerts(
        self,
        info: Info,
        *,
        input: Annotated[  # noqa: A002
            UnmuteAlertsInput, strawberry.argument(description="Which.")
        ],
    ) -> AlertMutePayload:
        """Delegate."""
        context = info.context
        mute_id = identity_of(input.id, "No mute has this id.")
        await context.work.run(
            unmute,
            principal=context.principal,
            mute_id=mute_id,
            now=context.now,
            request_id=context.request_id,
        )
        return AlertMutePayload(id=mute_id)

    @guarded_mutation(
        Permission.ALERT_RULES_MANAGE,
        "Declare maintenance of hosts: no rule opens an alert meanwhile. Logged.",
        idempotent=False,
    )
    async def declare_maintenance_window(
        self,
        info: Info,
        *,
        input: Annotated[  # noqa: A002
            DeclareMaintenanceWindowInput, strawberry.argument(description="When, and for whom.")
        ],
    ) -> MaintenanceWindowPayload:
        """Delegate."""
        context, run = info.context, info.context.work.run
        spec = MaintenanceSpec(
            starts_at=input.starts_at,
            ends_at=input.ends_at,
            reason=input.reason,
            agent_id=await run(agent_id_of, input.agent) if input.agent else None,
            tag=input.tag,
            excludes_from_sla=input.excludes_from_sla,
        )
        declared = await run(
            declare_window,
            principal=context.principal,
            spec=spec,
            now=context.now,
            request_id=context.request_id,
        )
        return MaintenanceWindowPayload(id=declared.id)

    @guarded_mutation(
        Permission.ALERT_RULES_MANAGE,
        "End maintenance of hosts, or call it off; its time counts again. Logged.",
    )
    async def withdraw_maintenance_window(
        self,
        info: Info,
        *,
        input: Annotated[  # noqa: A002
            WithdrawMaintenanceWindowInput, strawberry.argument(description="Which.")
        ],
    ) -> MaintenanceWindowPayload:
        """Delegate."""
        context = info.context
        window_id = identity_of(input.id, "No maintenance has this id.")
        await context.work.run(
            withdraw_window,
            principal=context.principal,
            window_id=window_id,
            now=context.now,
            request_id=context.request_id,
        )
        return MaintenanceWindowPayload(id=window_id)
