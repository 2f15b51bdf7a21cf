"""A tenant with hosts and rules, whose figures and clock a test sets."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlmodel import col

from hub.alerts.evaluation import Turn, evaluate_rules
from hub.alerts.metrics import RuleMetric, RuleOperator
from hub.alerts.models import Alert, AlertState
from hub.alerts.rule_checks import RuleSpec
from hub.alerts.rule_models import AlertRuleState
from hub.alerts.rules import create_rule
from hub.clock import utc_now
from hub.database import Database
from hub.fleet.models import Agent, AgentLatest
from hub.principal import Principal, Role
from hub.severity import Severity
from hub.tenancy.models import Tenant
from tests.factories import make_agent, person

MINUTE = timedelta(minutes=1)
TURN = timedelta(seconds=20)


def spec(**fields: Any) -> RuleSpec:
    """Return a rule that warns of a busy CPU at once, unless said otherwise."""
    defaults: dict[str, Any] = {
        "name": "CPU is busy",
        "metric": RuleMetric.CPU_PCT,
        "operator": RuleOperator.GT,
        "threshold": 80.0,
        "severity": Severity.HIGH,
    }
    return RuleSpec(**(defaults | fields))


class Scene:
    """One tenant under watch. Its clock starts now and stands still unless moved."""

    def __init__(self, database: Database, tenant: Tenant) -> None:
        self.database = database
        self.tenant = tenant
        self.now = utc_now().replace(microsecond=0)

    @property
    def admin(self) -> Principal:
        """Somebody who may do all of it."""
        return person(self.tenant, role=Role.ADMIN)

    async def host(self, name: str = "web-1", **columns: Any) -> Agent:
        """Store a host that reported just now."""
        fields = {"last_seen_at": self.now} | columns
        return await make_agent(self.database, self.tenant, name=name, **fields)

    async def rule(self, **fields: Any) -> UUID:
        """Make a rule."""
        async with self.database.transaction(tenant_id=self.tenant.id) as session:
            return await create_rule(
                session, principal=self.admin, spec=spec(**fields), now=self.now
            )

    async def report(self, agent: Agent, *, at: datetime | None = None, **figures: Any) -> None:
        """Store the newest figures of a host."""
        moment = at or self.now
        async with self.database.transaction(tenant_id=self.tenant.id) as session:
            await session.execute(delete(AgentLatest).where(col(AgentLatest.agent_id) == agent.id))
            session.add(
                AgentLatest(
                    tenant_id=self.tenant.id, agent_id=agent.id, at=moment, details={}, **figures
                )
            )
            await session.execute(
                update(Agent).where(col(Agent.id) == agent.id).values(last_seen_at=moment)
            )

    async def turn(self, *, later: timedelta = TURN) -> Turn | None:
        """Let time pass, and evaluate."""
        self.now += later
        async with self.database.transaction(tenant_id=self.tenant.id) as session:
            return await evaluate_rules(session, tenant_id=self.tenant.id, now=self.now)

    async def read(self, agent: Agent, *, later: timedelta = TURN, **figures: Any) -> list[str]:
        """Let time pass, report, evaluate; return the titles of open alerts."""
        await self.report(agent, at=self.now + later, **figures)
        await self.turn(later=later)
        return await self.open()

    async def alerts(self) -> list[Alert]:
        """Return all alerts, oldest first."""
        async with self.database.transaction(tenant_id=self.tenant.id) as session:
            return list(await session.scalars(select(Alert).order_by(col(Alert.opened_at))))

    async def open(self) -> list[str]:
        """Return the titles of open alerts."""
        return sorted(
            alert.title for alert in await self.alerts() if alert.state is AlertState.OPEN
        )

    async def phases(self) -> list[str]:
        """Return the phases of what is not all right."""
        async with self.database.transaction(tenant_id=self.tenant.id) as session:
            return sorted(await session.scalars(select(col(AlertRuleState.phase))))
