"""GraphQL face of alert rules: shapes and wiring only; every rule lives in `hub.alerts`."""

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

import strawberry

import hub_schema.alerts  # noqa: F401 - puts the categories of alerts into the schema
from hub.alerts.metrics import RuleMetric, RuleOperator, RuleTarget
from hub.alerts.models import AlertCategory
from hub.alerts.rule_checks import RuleSpec
from hub.alerts.rule_models import AlertRule
from hub.alerts.rule_queries import (
    RULES,
    agent_ids_of,
    installed_templates,
    rule_id_of,
    rules_page,
)
from hub.alerts.rules import create_rule, delete_rule, install_rules, update_rule
from hub.alerts.templates import DEFAULTS, TEMPLATES
from hub.paging import Page
from hub.principal import Permission
from hub.severity import Severity
from hub_schema.connections import AFTER, DEFAULT_PAGE_SIZE, FIRST, PageInfo
from hub_schema.context import Context, Info
from hub_schema.directives import EgressClass, guarded, guarded_mutation, leaf, part
from hub_schema.enums import describe

describe(
    RuleMetric,
    "What an alert rule watches.",
    {
        RuleMetric.AGENT_OFFLINE: "Seconds since a host last reported.",
        RuleMetric.CONTAINER_STATUS: "Refused: no agent reports containers to this hub.",
        RuleMetric.CPU_PCT: "CPU in use, per cent.",
        RuleMetric.DISK_PCT: "The fullest file system, per cent, of the last 5 minutes.",
        RuleMetric.FLEET_CRITICAL_ALERTS: "Critical alerts that opened in the last 15 minutes.",
        RuleMetric.FLEET_OFFLINE_COUNT: "Hosts that have been silent for 90 seconds.",
        RuleMetric.LOAD_AVG: "Load average of one minute.",
        RuleMetric.MEM_PCT: "Memory in use, per cent.",
        RuleMetric.NETWORK_RX_MBPS: "Received traffic in Mbit/s, of the last 90 seconds.",
        RuleMetric.NETWORK_TX_MBPS: "Sent traffic in Mbit/s, of the last 90 seconds.",
        RuleMetric.PROCESS_RUNNING: "Refused: no agent reports processes to this hub.",
        RuleMetric.TAG_OFFLINE_PCT: "Share of a tag's hosts that are silent, per cent.",
    },
)
describe(
    RuleOperator,
    "How a value is compared with the threshold.",
    {
        RuleOperator.GT: "Greater than.",
        RuleOperator.GTE: "Greater than or equal to.",
        RuleOperator.LT: "Less than.",
        RuleOperator.LTE: "Less than or equal to.",
        RuleOperator.EQ: "Equal to.",
        RuleOperator.NE: "Not equal to.",
    },
)
describe(
    RuleTarget,
    "Whom an alert rule is about.",
    {
        RuleTarget.ALL: "Every host, also those to come.",
        RuleTarget.AGENTS: "The hosts that it names.",
        RuleTarget.TAG: "The hosts with a tag, also those to come.",
    },
)


@strawberry.type(name="AlertRule", description="When an alert opens by itself.")
class AlertRuleType:
    """Rule, as clients see it."""

    id: UUID = leaf(EgressClass.IDENTIFIER, "Identifies the rule in this tenant.")
    name: str = leaf(EgressClass.ALERT_TEXT, "The title of its alerts.")
    metric: RuleMetric = leaf(EgressClass.ALERT_TEXT, "What it watches.")
    operator: RuleOperator = leaf(EgressClass.ALERT_TEXT, "How it compares.")
    threshold: float = leaf(EgressClass.ALERT_TEXT, "What it compares with.")
    duration_seconds: int = leaf(EgressClass.ALERT_TEXT, "For how long, before an alert opens.")
    hysteresis: float = leaf(
        EgressClass.ALERT_TEXT, "How far behind the threshold a value must be for the end."
    )
    clear_seconds: int = leaf(EgressClass.ALERT_TEXT, "For how long, before the alert is over.")
    severity: Severity = leaf(EgressClass.ALERT_TEXT, "How bad its alerts are.")
    category: AlertCategory = leaf(EgressClass.ALERT_TEXT, "What kind of trouble they tell of.")
    target: RuleTarget = leaf(EgressClass.ALERT_TEXT, "Whom it is about.")
    agent_ids: list[UUID] = leaf(EgressClass.IDENTIFIER, "The hosts that it names.")
    tag: str | None = leaf(EgressClass.HOST_IDENTITY, "The tag whose hosts it is about.")
    is_enabled: bool = leaf(EgressClass.ALERT_TEXT, "Whether it is evaluated.")
    template: str | None = leaf(EgressClass.ALERT_TEXT, "The template it was made from.")
    created_by: str = leaf(EgressClass.PERSON, "Who made it.")
    updated_at: datetime = leaf(EgressClass.TIME, "When it was last changed.")
    open_alert_count: int = leaf(EgressClass.COUNT, "How many of its alerts are open.")

    @classmethod
    def of(cls, rule: AlertRule, open_alert_count: int) -> Self:
        """Shape one rule."""
        names = (
            *("id", "name", "metric", "operator", "threshold", "duration_seconds", "hysteresis"),
            *("clear_seconds", "severity", "category", "target", "agent_ids", "tag"),
            *("is_enabled", "template", "created_by", "updated_at"),
        )
        values = {name: getattr(rule, name) for name in names}
        return cls(**values, open_alert_count=open_alert_count)


@strawberry.type(description="A page of alert rules.")
class AlertRuleConnection:
    """Rules by name."""

    total_count: int = leaf(EgressClass.COUNT, "How many there are in all.")
    nodes: list[AlertRuleType] = part("The rules of this page.")
    page_info: PageInfo = part("Where the page ends.")

    @classmethod
    def of(cls, page: Page[tuple[AlertRule, int]]) -> Self:
        """Shape one page."""
        end = RULES.cursor_at(page.rows[-1][0].name) if page.has_next else None
        return cls(
            total_count=page.total or 0,
            nodes=[AlertRuleType.of(*row) for row in page.rows],
            page_info=PageInfo(has_next_page=page.has_next, end_cursor=end),
        )


@strawberry.type(description="A rule to begin with.")
class AlertTemplate:
    """Template, as clients see it."""

    key: str = leaf(EgressClass.ALERT_TEXT, "Names it in installAlertTemplates.")
    name: str = leaf(EgressClass.ALERT_TEXT, "What its rule is called.")
    metric: RuleMetric = leaf(EgressClass.ALERT_TEXT, "What it watches.")
    operator: RuleOperator = leaf(EgressClass.ALERT_TEXT, "How it compares.")
    threshold: float = leaf(EgressClass.ALERT_TEXT, "What it compares with.")
    duration_seconds: int = leaf(EgressClass.ALERT_TEXT, "For how long, before an alert opens.")
    severity: Severity = leaf(EgressClass.ALERT_TEXT, "How bad its alerts are.")
    is_default: bool = leaf(EgressClass.ALERT_TEXT, "Whether new tenants have its rule.")
    is_installed: bool = leaf(EgressClass.ALERT_TEXT, "Whether this tenant has its rule.")


@strawberry.input(description="What to be warned of.")
class CreateAlertRuleInput:
    """Arguments of createAlertRule."""

    name: str = strawberry.field(description="The title of its alerts; unique.")
    metric: RuleMetric = strawberry.field(description="What is watched.")
    operator: RuleOperator = strawberry.field(description="How it is compared.")
    threshold: float = strawberry.field(description="What it is compared with.")
    severity: Severity = strawberry.field(description="How bad its alerts are.")
    duration_seconds: int = strawberry.field(
        description="For how long, before an alert opens; up to a week.", default=0
    )
    hysteresis: float = strawberry.field(
        description="How far behind the threshold a value must be for the end.", default=0.0
    )
    clear_seconds: int = strawberry.field(
        description="For how long, before the alert is over; up to a week.", default=0
    )
    category: AlertCategory | None = strawberry.field(
        description="Null: that of the metric.", default=None
    )
    target: RuleTarget = strawberry.field(description="Whom it is about.", default=RuleTarget.ALL)
    agents: list[str] | None = strawberry.field(
        description="With the target agents: their names or ids.", default=None
    )
    tag: str | None = strawberry.field(
        description="With the target tag: a tag such as env:prod.", default=None
    )
    is_enabled: bool = strawberry.field(description="Whether it is evaluated.", default=True)


@strawberry.input(description="What to change in a rule; what is left out stays.")
class UpdateAlertRuleInput:
    """Arguments of updateAlertRule."""

    id: str = strawberry.field(description="Its id or name.")
    name: str | None = strawberry.field(description="The title of its alerts.", default=None)
    metric: RuleMetric | None = strawberry.field(
        description="What is watched. Its open alerts are over.", default=None
    )
    operator: RuleOperator | None = strawberry.field(
        description="How it is compared. Its open alerts are over.", default=None
    )
    threshold: float | None = strawberry.field(description="Compared with.", default=None)
    severity: Severity | None = strawberry.field(
        description="How bad its alerts are, open ones too.", default=None
    )
    duration_seconds: int | None = strawberry.field(
        description="For how long, before an alert opens.", default=None
    )
    hysteresis: float | None = strawberry.field(
        description="How far behind the threshold a value must be for the end.", default=None
    )
    clear_seconds: int | None = strawberry.field(
        description="For how long, before the alert is over.", default=None
    )
    category: AlertCategory | None = strawberry.field(description="The kind.", default=None)
    target: RuleTarget | None = strawberry.field(
        description="Whom it is about; say `agents` or `tag` again with it.", default=None
    )
    agents: list[str] | None = strawberry.field(
        description="With the target agents: their names or ids.", default=None
    )
    tag: str | None = strawberry.field(description="With the target tag.", default=None)
    is_enabled: bool | None = strawberry.field(
        description="False ends its open alerts.", default=None
    )


@strawberry.input(description="Which rule goes.")
class DeleteAlertRuleInput:
    """Arguments of deleteAlertRule."""

    id: str = strawberry.field(description="Its id or name.")


@strawberry.input(description="Which rules to begin with.")
class InstallAlertTemplatesInput:
    """Arguments of installAlertTemplates."""

    templates: list[str] | None = strawberry.field(
        description="Keys of alertTemplates; null: those that new tenants have.", default=None
    )


@strawberry.type(description="A rule that was made, changed or deleted.")
class AlertRulePayload:
    """Answer of the mutations of one rule."""

    id: UUID = leaf(EgressClass.IDENTIFIER, "The rule's id.")


@strawberry.type(description="The rules that were made; those that were there are not among them.")
class InstallAlertTemplatesPayload:
    """Answer of installAlertTemplates."""

    rules: list[AlertRuleType] = part("What was made.")


@strawberry.type(name="Query")
class AlertRuleQuery:
    """Rule fields of the query root."""

    @guarded(Permission.ALERTS_READ, "Alert rules by name.")
    async def alert_rules(
        self,
        info: Info,
        *,
        first: Annotated[int, FIRST] = DEFAULT_PAGE_SIZE,
        after: Annotated[str | None, AFTER] = None,
    ) -> AlertRuleConnection:
        """Delegate, shape the answer."""
        page = await info.context.work.run(rules_page, first=first, after=after)
        return AlertRuleConnection.of(page)

    @guarded(Permission.ALERTS_READ, "Rules to begin with, and which of them are in use.")
    async def alert_templates(self, info: Info) -> list[AlertTemplate]:
        """Delegate, shape the answer."""
        installed = await info.context.work.run(installed_templates)
        return [
            AlertTemplate(
                key=key,
                name=template.spec.name,
                metric=template.spec.metric,
                operator=template.spec.operator,
                threshold=template.spec.threshold,
                duration_seconds=template.spec.duration_seconds,
                severity=template.spec.severity,
                is_default=template.is_default,
                is_installed=key in installed,
            )
            for key, template in TEMPLATES.items()
        ]


@strawberry.type(name="Mutation")
class AlertRuleMutation:
    """Rule fields of the mutation root."""

    @guarded_mutation(
        Permission.ALERT_RULES_MANAGE, "Make an alert rule. Logged.", idempotent=False
    )
    async def create_alert_rule(
        self,
        info: Info,
        *,
        input: Annotated[  # noqa: A002 - the name every mutation's argument has
            CreateAlertRuleInput, strawberry.argument(description="What to be warned of.")
        ],
    ) -> AlertRulePayload:
        """Delegate."""
        context = info.context
        told = await _told(context, input)
        made = await context.work.run(
            create_rule,
            principal=context.principal,
            spec=RuleSpec(**told),
            now=context.now,
            request_id=context.request_id,
        )
        return AlertRulePayload(id=made)

    @guarded_mutation(Permission.ALERT_RULES_MANAGE, "Change an alert rule. Logged.")
    async def update_alert_rule(
        self,
        info: Info,
        *,
        input: Annotated[  # noqa: A002
            UpdateAlertRuleInput, strawberry.argument(description="Which, and what.")
        ],
    ) -> AlertRulePayload:
        """Delegate."""
        context = info.context
        rule_id = await context.work.run(rule_id_of, input.id)
        changes = await _told(context, input)
        if "target" in changes:
            changes = {"tag": None, "agent_ids": ()} | changes
        await context.work.run(
            update_rule,
            principal=context.principal,
            rule_id=rule_id,
            changes=changes,
            now=context.now,
            request_id=context.request_id,
        )
        return AlertRulePayload(id=rule_id)

    @guarded_mutation(
        Permission.ALERT_RULES_MANAGE, "Delete an alert rule and end its alerts. Logged."
    )
    async def delete_alert_rule(
        self,
        info: Info,
        *,
        input: Annotated[  # noqa: A002
            DeleteAlertRuleInput, strawberry.argument(description="Which.")
        ],
    ) -> AlertRulePayload:
        """Delegate."""
        context = info.context
        rule_id = await context.work.run(rule_id_of, input.id)
        await context.work.run(
            delete_rule,
            principal=context.principal,
            rule_id=rule_id,
            now=context.now,
            request_id=context.request_id,
        )
        return AlertRulePayload(id=rule_id)

    @guarded_mutation(Permission.ALERT_RULES_MANAGE, "Make the rules of templates. Logged.")
    async def install_alert_templates(
        self,
        info: Info,
        *,
        input: Annotated[  # noqa: A002
            InstallAlertTemplatesInput, strawberry.argument(description="Which.")
        ],
    ) -> InstallAlertTemplatesPayload:
        """Delegate, show what was made."""
        context = info.context
        made = await context.work.run(
            install_rules,
            principal=context.principal,
            templates=DEFAULTS if input.templates is None else input.templates,
            now=context.now,
            request_id=context.request_id,
        )
        return InstallAlertTemplatesPayload(rules=[AlertRuleType.of(rule, 0) for rule in made])


_PLAIN = (
    *("name", "metric", "operator", "threshold", "severity", "duration_seconds", "hysteresis"),
    *("clear_seconds", "category", "target", "tag", "is_enabled"),
)


async def _told(
    context: Context,
    told: CreateAlertRuleInput | UpdateAlertRuleInput,
) -> dict[str, Any]:
    """Return what was said, with the hosts by their ids."""
    values = {name: getattr(told, name) for name in _PLAIN}
    given: dict[str, Any] = {name: value for name, value in values.items() if value is not None}
    if told.agents is not None:
        given["agent_ids"] = await context.work.run(agent_ids_of, told.agents)
    return given
