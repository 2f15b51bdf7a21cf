"""Rules meet figures: what opens, what ends, and that it happens once."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, update
from sqlmodel import col

from hub.alerts.commands import NewAlert, record_alerts
from hub.alerts.evaluation import evaluate_rules
from hub.alerts.maintenance import MaintenanceSpec, declare_window
from hub.alerts.metrics import RuleMetric, RuleOperator, RuleTarget
from hub.alerts.models import AlertCategory
from hub.alerts.rules import delete_rule, update_rule
from hub.database import Database
from hub.fleet.models import Agent
from hub.severity import Severity
from hub.tenancy.models import Tenant
from tests.conftest import Statements
from tests.hub.alerts.scene import MINUTE, TURN, Scene

BUSY = "CPU is busy"


async def change(scene: Scene, agent: Agent, **columns: Any) -> None:
    async with scene.database.transaction(tenant_id=scene.tenant.id) as session:
        await session.execute(update(Agent).where(col(Agent.id) == agent.id).values(**columns))


async def test_an_alert_opens_with_the_figures_and_ends_with_hysteresis(scene: Scene) -> None:
    host = await scene.host()
    await scene.rule(duration_seconds=60, hysteresis=10, clear_seconds=40)
    seen = [
        await scene.read(host, cpu_percent=value)
        for value in (90.0, 91.5, 92.0, 93.25, 79.0, 69.0, 69.0, 69.0)
    ]
    assert seen == [[], [], [], [BUSY], [BUSY], [BUSY], [BUSY], []]
    [alert] = await scene.alerts()
    assert (alert.agent_id, alert.severity, alert.source) == (host.id, Severity.HIGH, "rule")
    assert alert.description == "CPU: 93.25 %. The rule warns at > 80 % for 1 min."
    assert alert.resolved_at == scene.now
    assert await scene.phases() == []


@pytest.mark.parametrize(
    ("metric", "figures"),
    [
        (RuleMetric.CPU_PCT, {"cpu_percent": 90.0}),
        (RuleMetric.MEM_PCT, {"memory_percent": 90.0}),
        (RuleMetric.DISK_PCT, {"disk_percent": 90.0}),
        (RuleMetric.LOAD_AVG, {"load1": 90.0}),
        (RuleMetric.NETWORK_RX_MBPS, {"rx_mbps": 90.0}),
        (RuleMetric.NETWORK_TX_MBPS, {"tx_mbps": 90.0}),
    ],
)
async def test_each_metric_reads_its_own_figure(
    scene: Scene, metric: RuleMetric, figures: dict[str, Any]
) -> None:
    host = await scene.host()
    await scene.rule(metric=metric)
    others: dict[str, Any] = dict.fromkeys(
        ("cpu_percent", "memory_percent", "disk_percent", "load1", "rx_mbps", "tx_mbps"), 1.0
    )
    assert await scene.read(host, **others) == []
    assert await scene.read(host, **{**others, **figures}) == [BUSY]
    assert await scene.read(host, **others) == []


@pytest.mark.parametrize("operator", RuleOperator)
async def test_the_database_compares_as_the_state_machine_does(
    scene: Scene, operator: RuleOperator
) -> None:
    host = await scene.host()
    await scene.rule(operator=operator, threshold=50.0)
    for value in (49.9, 50.0, 50.1):
        is_open = bool(await scene.read(host, cpu_percent=value))
        assert is_open is operator.holds(value, 50.0), value


async def test_old_figures_say_nothing_and_disks_may_be_older(scene: Scene) -> None:
    host = await scene.host()
    await scene.rule()
    await scene.rule(name="Disk is full", metric=RuleMetric.DISK_PCT)
    await scene.report(host, at=scene.now - 2 * MINUTE, cpu_percent=99.0, disk_percent=99.0)
    await scene.turn()
    assert await scene.open() == ["Disk is full"]
    await scene.turn(later=5 * MINUTE)  # nothing is heard of it: neither full nor empty
    assert await scene.open() == ["Disk is full"]


async def test_a_host_is_offline_after_90_seconds_of_silence(scene: Scene) -> None:
    host = await scene.host()
    await scene.rule(
        name="Offline", metric=RuleMetric.AGENT_OFFLINE, threshold=90, severity=Severity.CRITICAL
    )
    for _ in range(5):
        await scene.read(host, cpu_percent=1.0)
    seen = []
    for _ in range(5):
        await scene.turn()
        seen.append(await scene.open())
    assert seen == [[], [], [], [], ["Offline"]]  # 20, 40, 60, 80, 100 seconds
    assert await scene.read(host, cpu_percent=1.0) == []


async def test_after_a_break_of_the_hub_silence_is_judged_only_once_it_listened(
    scene: Scene,
) -> None:
    alive, dead = await scene.host("alive"), await scene.host("dead")
    await scene.rule(name="Offline", metric=RuleMetric.AGENT_OFFLINE, threshold=90)
    await scene.rule(
        name="Fleet", metric=RuleMetric.FLEET_OFFLINE_COUNT, threshold=0, operator=RuleOperator.GT
    )
    await scene.turn()
    await scene.turn(later=100 * TURN)  # nobody was there
    assert await scene.open() == []
    for _ in range(4):
        assert await scene.read(alive, cpu_percent=1.0) == []
    assert await scene.read(alive, cpu_percent=1.0) == ["Fleet", "Offline"]
    [offline] = [alert for alert in await scene.alerts() if alert.title == "Offline"]
    assert offline.agent_id == dead.id
    # And what was open before a break does not end by it.
    await scene.turn(later=100 * TURN)
    assert await scene.open() == ["Fleet", "Offline"]


async def test_a_host_that_only_other_tools_speak_of_is_not_offline(scene: Scene) -> None:
    await scene.rule(name="Offline", metric=RuleMetric.AGENT_OFFLINE, threshold=90)
    await scene.host("foreign", is_enrolled=False)
    await scene.host("never seen", last_seen_at=None)
    for _ in range(12):
        await scene.turn()
    assert await scene.open() == []


async def test_rules_are_about_their_targets_only(scene: Scene) -> None:
    web = await scene.host("web-1", tags=["env:prod", "role:web"])
    db = await scene.host("db-1", tags=["env:test"])
    await scene.rule(name="One", target=RuleTarget.AGENTS, agent_ids=[db.id])
    await scene.rule(name="Tagged", target=RuleTarget.TAG, tag="env:prod")
    await scene.report(web, at=scene.now, cpu_percent=99.0)
    await scene.report(db, at=scene.now, cpu_percent=99.0)
    await scene.turn()
    assert {(alert.title, alert.agent_id) for alert in await scene.alerts()} == {
        ("One", db.id),
        ("Tagged", web.id),
    }


async def test_an_alert_ends_when_nobody_watches_its_host_any_more(scene: Scene) -> None:
    hosts = [await scene.host(name, tags=["env:prod"]) for name in ("a", "b", "c")]
    await scene.rule(target=RuleTarget.TAG, tag="env:prod")
    for host in hosts:
        await scene.report(host, at=scene.now, cpu_percent=99.0)
    await scene.turn()
    assert await scene.open() == [BUSY] * 3
    await change(scene, hosts[0], tags=[])
    await change(scene, hosts[1], retired_at=scene.now)
    async with scene.database.transaction(tenant_id=scene.tenant.id) as session:
        await session.execute(delete(Agent).where(col(Agent.id) == hosts[2].id))
    await scene.turn()
    assert (await scene.open(), await scene.phases()) == ([], [])


@pytest.mark.parametrize("how", ["disabled", "deleted", "asks something else"])
async def test_an_alert_ends_with_its_rule(scene: Scene, how: str) -> None:
    host = await scene.host()
    rule_id = await scene.rule()
    assert await scene.read(host, cpu_percent=99.0) == [BUSY]
    async with scene.database.transaction(tenant_id=scene.tenant.id) as session:
        told: dict[str, Any] = {"principal": scene.admin, "rule_id": rule_id, "now": scene.now}
        if how == "deleted":
            await delete_rule(session, **told)
        elif how == "disabled":
            await update_rule(session, changes={"is_enabled": False}, **told)
        else:
            await update_rule(session, changes={"metric": RuleMetric.MEM_PCT}, **told)
    assert (await scene.open(), await scene.phases()) == ([], [])
    assert await scene.read(host, cpu_percent=99.0) == []


async def test_fleet_rules_count_hosts_and_alerts(scene: Scene) -> None:
    await scene.rule(name="Offline", metric=RuleMetric.FLEET_OFFLINE_COUNT, threshold=1)
    await scene.rule(
        name="Half",
        metric=RuleMetric.TAG_OFFLINE_PCT,
        threshold=50,
        operator=RuleOperator.GTE,
        target=RuleTarget.TAG,
        tag="env:prod",
    )
    await scene.rule(
        name="Critical", metric=RuleMetric.FLEET_CRITICAL_ALERTS, threshold=0, hysteresis=0
    )
    hosts = [await scene.host(f"h{number}", tags=["env:prod"]) for number in range(4)]
    await scene.turn()
    for _ in range(5):
        for host in hosts[2:]:
            await scene.report(host, at=scene.now + TURN)
        await scene.turn()
    assert await scene.open() == ["Half", "Offline"]
    async with scene.database.transaction(tenant_id=scene.tenant.id) as session:
        alert = NewAlert(
            fingerprint="f",
            category=AlertCategory.SECURITY,
            severity=Severity.CRITICAL,
            title="Foreign",
            agent_id=hosts[2].id,
            opened_at=scene.now,
        )
        await record_alerts(session, tenant_id=scene.tenant.id, alerts=[alert])
    await scene.report(hosts[1], at=scene.now + TURN)
    for host in hosts[2:]:
        await scene.report(host, at=scene.now + TURN)
    await scene.turn()
    assert await scene.open() == ["Critical", "Foreign"]


@pytest.mark.parametrize("where", ["agent", "tag", "tenant"])
async def test_in_maintenance_nothing_opens(scene: Scene, where: str) -> None:
    host = await scene.host(tags=["env:prod"])
    await scene.rule()
    window = MaintenanceSpec(
        starts_at=scene.now,
        ends_at=scene.now + 3 * TURN,
        reason="A new disk.",
        agent_id=host.id if where == "agent" else None,
        tag="env:prod" if where == "tag" else None,
    )
    async with scene.database.transaction(tenant_id=scene.tenant.id) as session:
        await declare_window(session, principal=scene.admin, spec=window, now=scene.now)
    seen = [await scene.read(host, cpu_percent=99.0) for _ in range(3)]
    assert seen == [[], [], [BUSY]]


async def test_evaluators_at_once_open_one_alert_and_one_of_them_is_too_late(
    scene: Scene, database: Database, tenant: Tenant
) -> None:
    host = await scene.host()
    await scene.rule()
    await scene.report(host, cpu_percent=99.0)

    async def evaluate() -> bool:
        async with database.transaction(tenant_id=tenant.id) as session:
            return await evaluate_rules(session, tenant_id=tenant.id, now=scene.now) is not None

    assert sorted(await asyncio.gather(*(evaluate() for _ in range(4)))) == [False] * 3 + [True]
    assert await scene.open() == [BUSY]


async def test_what_was_evaluated_for_later_is_not_evaluated_for_earlier(scene: Scene) -> None:
    await scene.turn()
    assert await scene.turn(later=timedelta(0)) is None
    assert await scene.turn(later=-TURN) is None


async def test_the_number_of_statements_does_not_grow_with_hosts_and_rules(
    scene: Scene, statements: Statements
) -> None:
    for number in range(3):
        host = await scene.host(f"h{number}")
        await scene.rule(name=f"Rule {number}")
        await scene.report(host, cpu_percent=99.0)
    statements.clear()
    await scene.turn()
    assert len(statements) <= 10, "\n\n".join(statements)
    assert len(await scene.open()) == 9


async def test_a_rule_changes_its_open_alerts_with_its_words(scene: Scene) -> None:
    host = await scene.host()
    rule_id = await scene.rule()
    await scene.read(host, cpu_percent=99.0)
    changes = {"name": "Hot", "severity": Severity.CRITICAL, "threshold": 90.0}
    async with scene.database.transaction(tenant_id=scene.tenant.id) as session:
        await update_rule(
            session, principal=scene.admin, rule_id=rule_id, changes=changes, now=scene.now
        )
    [alert] = await scene.alerts()
    assert (alert.title, alert.severity, alert.resolved_at) == ("Hot", Severity.CRITICAL, None)
