"""Rules to begin with: what nearly everybody wants to be warned of."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from hub.alerts.metrics import RuleMetric, RuleOperator
from hub.alerts.rule_checks import RuleSpec
from hub.alerts.rule_models import AlertRule
from hub.clock import utc_now
from hub.errors import InvalidInput
from hub.severity import Severity


@dataclass(frozen=True, slots=True)
class RuleTemplate:
    """A rule under a name of its own. New tenants get the defaults."""

    key: str
    spec: RuleSpec
    is_default: bool = False


def _above(
    name: str, metric: RuleMetric, threshold: float, severity: Severity, **more: float
) -> RuleSpec:
    return RuleSpec(
        name=name,
        metric=metric,
        operator=RuleOperator.GT,
        threshold=threshold,
        severity=severity,
        hysteresis=more.get("hysteresis", 0.0),
        duration_seconds=int(more.get("seconds", 0)),
        clear_seconds=int(more.get("clear_seconds", 0)),
    )


# fmt: off
_ALL = (
    RuleTemplate("host_offline", _above(
        "Host is offline", RuleMetric.AGENT_OFFLINE, 90, Severity.HIGH), is_default=True),
    RuleTemplate("host_offline_5m", _above(
        "Host is offline for 5 minutes", RuleMetric.AGENT_OFFLINE, 300, Severity.CRITICAL)),
    RuleTemplate("cpu_high", _above(
        "CPU above 85 % for an hour", RuleMetric.CPU_PCT, 85, Severity.HIGH,
        seconds=3600, hysteresis=5, clear_seconds=300), is_default=True),
    RuleTemplate("memory_high", _above(
        "Memory above 95 % for 5 minutes", RuleMetric.MEM_PCT, 95, Severity.CRITICAL,
        seconds=300, hysteresis=3, clear_seconds=120), is_default=True),
    RuleTemplate("disk_full", _above(
        "Disk above 90 %", RuleMetric.DISK_PCT, 90, Severity.CRITICAL, hysteresis=2),
        is_default=True),
    RuleTemplate("load_high", _above(
        "Load above 10 for 10 minutes", RuleMetric.LOAD_AVG, 10, Severity.MEDIUM,
        seconds=600, hysteresis=2, clear_seconds=120)),
    RuleTemplate("network_tx_high", _above(
        "Sends more than 100 Mbit/s for 5 minutes", RuleMetric.NETWORK_TX_MBPS, 100,
        Severity.MEDIUM, seconds=300, hysteresis=20, clear_seconds=120)),
    RuleTemplate("network_rx_high", _above(
        "Receives more than 100 Mbit/s for 5 minutes", RuleMetric.NETWORK_RX_MBPS, 100,
        Severity.MEDIUM, seconds=300, hysteresis=20, clear_seconds=120)),
    RuleTemplate("fleet_offline", _above(
        "More than 3 hosts are offline", RuleMetric.FLEET_OFFLINE_COUNT, 3, Severity.CRITICAL)),
    RuleTemplate("fleet_critical_alerts", _above(
        "More than 5 critical alerts in 15 minutes", RuleMetric.FLEET_CRITICAL_ALERTS, 5,
        Severity.CRITICAL)),
)
# fmt: on
TEMPLATES = {template.key: template for template in _ALL}
DEFAULTS = [template.key for template in _ALL if template.is_default]


async def install_templates(
    session: AsyncSession,
    *,
    tenant_id: UUID,
    keys: Sequence[str],
    actor: str,
    at: datetime | None = None,
) -> list[AlertRule]:
    """Make the rules of these templates; those whose name is taken stay as they are.

    Return what was made. The caller writes it down.
    """
    moment = at or utc_now()
    rows = [
        {
            "tenant_id": tenant_id,
            "id": uuid4(),
            "template": key,
            "created_by": actor,
            "created_at": moment,
            "updated_at": moment,
        }
        | _template(key).spec.columns()
        for key in dict.fromkeys(keys)
    ]
    if not rows:
        return []
    made = await session.scalars(
        postgresql.insert(AlertRule)
        .values(rows)
        .on_conflict_do_nothing(index_elements=["tenant_id", "name"])
        .returning(AlertRule)
        .execution_options(populate_existing=True)
    )
    return sorted(made, key=lambda rule: rule.name)


def _template(key: str) -> RuleTemplate:
    if key not in TEMPLATES:
        raise InvalidInput(
            f"`templates` are {', '.join(TEMPLATES)}; leave them out for the usual set.",
            field="templates",
        )
    return TEMPLATES[key]
