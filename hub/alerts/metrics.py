"""What an alert rule can watch, and how its value is compared."""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from hub.alerts.models import AlertCategory


class RuleMetric(StrEnum):
    """What a rule watches."""

    AGENT_OFFLINE = "agent_offline"
    CONTAINER_STATUS = "container_status"
    CPU_PCT = "cpu_pct"
    DISK_PCT = "disk_pct"
    FLEET_CRITICAL_ALERTS = "fleet_critical_alerts"
    FLEET_OFFLINE_COUNT = "fleet_offline_count"
    LOAD_AVG = "load_avg"
    MEM_PCT = "mem_pct"
    NETWORK_RX_MBPS = "network_rx_mbps"
    NETWORK_TX_MBPS = "network_tx_mbps"
    PROCESS_RUNNING = "process_running"
    TAG_OFFLINE_PCT = "tag_offline_pct"


class RuleOperator(StrEnum):
    """How a value is compared with the threshold. Spelled as a word; GraphQL has no signs."""

    GT = "gt"
    GTE = "gte"
    LT = "lt"
    LTE = "lte"
    EQ = "eq"
    NE = "ne"

    @property
    def sign(self) -> str:
        """As people write it."""
        return _SIGNS[self]

    @property
    def holds(self) -> Callable[[float, float], bool]:
        """The comparison itself."""
        return _COMPARISONS[self]

    @property
    def direction(self) -> int:
        """Upwards 1, downwards -1; 0 where there is no way back to go."""
        return _DIRECTIONS.get(self, 0)


class RuleTarget(StrEnum):
    """Whom a rule is about."""

    ALL = "all"
    AGENTS = "agents"
    TAG = "tag"


_SIGNS = {
    RuleOperator.GT: ">",
    RuleOperator.GTE: ">=",
    RuleOperator.LT: "<",
    RuleOperator.LTE: "<=",
    RuleOperator.EQ: "==",
    RuleOperator.NE: "!=",
}
_COMPARISONS: dict[RuleOperator, Callable[[float, float], bool]] = {
    RuleOperator.GT: operator.gt,
    RuleOperator.GTE: operator.ge,
    RuleOperator.LT: operator.lt,
    RuleOperator.LTE: operator.le,
    RuleOperator.EQ: operator.eq,
    RuleOperator.NE: operator.ne,
}
_DIRECTIONS = {
    RuleOperator.GT: 1,
    RuleOperator.GTE: 1,
    RuleOperator.LT: -1,
    RuleOperator.LTE: -1,
}


@dataclass(frozen=True, slots=True)
class MetricFacts:
    """What is known of a metric: its words, unit and range, and what kind of trouble it tells."""

    words: str
    unit: str
    category: AlertCategory
    is_fleet: bool = False
    highest: float | None = None


# Those without an entry cannot be watched: nothing that reaches the hub tells of them.
METRICS: dict[RuleMetric, MetricFacts] = {
    RuleMetric.AGENT_OFFLINE: MetricFacts("Silence", " s", AlertCategory.AVAILABILITY),
    RuleMetric.CPU_PCT: MetricFacts("CPU", " %", AlertCategory.PERFORMANCE, highest=100),
    RuleMetric.MEM_PCT: MetricFacts("Memory", " %", AlertCategory.CAPACITY, highest=100),
    RuleMetric.DISK_PCT: MetricFacts(
        "The fullest file system", " %", AlertCategory.CAPACITY, highest=100
    ),
    RuleMetric.LOAD_AVG: MetricFacts("Load", "", AlertCategory.PERFORMANCE),
    RuleMetric.NETWORK_RX_MBPS: MetricFacts("Received traffic", " Mbit/s", AlertCategory.NETWORK),
    RuleMetric.NETWORK_TX_MBPS: MetricFacts("Sent traffic", " Mbit/s", AlertCategory.NETWORK),
    RuleMetric.FLEET_OFFLINE_COUNT: MetricFacts(
        "Hosts offline", "", AlertCategory.AVAILABILITY, is_fleet=True
    ),
    RuleMetric.FLEET_CRITICAL_ALERTS: MetricFacts(
        "Critical alerts of the last 15 minutes", "", AlertCategory.AVAILABILITY, is_fleet=True
    ),
    RuleMetric.TAG_OFFLINE_PCT: MetricFacts(
        "Share of the tag's hosts offline",
        " %",
        AlertCategory.AVAILABILITY,
        is_fleet=True,
        highest=100,
    ),
}
