"""Reports that tell more than figures: facts, events, packages and where the host listens."""

from datetime import timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import select
from sqlmodel import col

from hub.clock import utc_now
from hub.database import Database
from hub.detections.intake import KEEP_EVENTS
from hub.detections.models import Detection, RuleKind
from hub.fleet.fact_models import FactKind
from hub.fleet.facts import facts_by_agent
from hub.fleet.models import AgentPackage, PackageVersion
from hub.ingest.host_facts import MAX_KERNELS
from hub.ingest.report import MAX_EVENTS, MAX_LISTENING
from hub.tenancy.models import Tenant
from hub.vulnerabilities.matching_models import AgentInventory
from tests.hub.reporting import PACKAGE, report, stored_samples
from tests.signed_agent import SignedAgent

KERNEL = {"release": "6.1.0-28-amd64", "is_running": True, "build": "#1 SMP"}
BACKUP = {"name": "database", "path": "/backups", "newest_at": None, "max_age_hours": 24.0}
PUBLIC_ADDRESS = "203.0.114.9"


def event(event_id: str = "1", **changes: Any) -> dict[str, Any]:
    return {
        "id": event_id,
        "kind": "honeypot_touched",
        "at": utc_now().isoformat(),
        "summary": "Somebody opened /root/passwords.txt",
        "path": "/root/passwords.txt",
    } | changes


async def facts(database: Database, agent: SignedAgent) -> dict[FactKind, list[dict[str, Any]]]:
    async with database.transaction(tenant_id=agent.tenant_id) as session:
        found = (await facts_by_agent(session, [agent.agent_id])).get(agent.agent_id, {})
    return {kind: told.items for kind, told in found.items()}


async def detections(database: Database, agent: SignedAgent) -> list[tuple[RuleKind, int]]:
    async with database.transaction(tenant_id=agent.tenant_id) as session:
        told = select(col(Detection.rule_kind), col(Detection.event_count))
        return [(kind, count) for kind, count in await session.execute(told)]


async def installed(database: Database, agent: SignedAgent) -> set[tuple[str, str]]:
    async with database.transaction(tenant_id=agent.tenant_id) as session:
        rows = await session.execute(
            select(col(PackageVersion.ecosystem), col(PackageVersion.name))
            .join(AgentPackage, col(AgentPackage.package_version_id) == col(PackageVersion.id))
            .where(col(AgentPackage.agent_id) == agent.agent_id)
        )
        return {(ecosystem, name) for ecosystem, name in rows}


async def listens_publicly(database: Database, agent: SignedAgent) -> bool | None:
    async with database.transaction(tenant_id=agent.tenant_id) as session:
        key = (agent.tenant_id, agent.agent_id)
        return (await session.get_one(AgentInventory, key)).listens_publicly


async def test_facts_replace_those_of_their_kind_and_no_others(
    http: httpx2.AsyncClient, database: Database, agent: SignedAgent
) -> None:
    answer = await agent.post(http, report(facts={"kernels": [KERNEL], "backups": [BACKUP]}))
    assert (answer.status_code, answer.json()) == (202, {"status": "accepted", "packages": 0})
    newer = KERNEL | {"release": "6.1.0-29-amd64"}
    told = report(facts={"kernels": [newer], "sudoers": []})
    assert (await agent.post(http, told)).status_code == 202
    assert await facts(database, agent) == {
        FactKind.KERNELS: [newer],
        FactKind.SUDOERS: [],
        FactKind.BACKUPS: [BACKUP | {"newest_bytes": None}],  # who reads it looks for each field
    }


async def test_facts_that_come_late_do_not_replace_newer_ones(
    http: httpx2.AsyncClient, database: Database, agent: SignedAgent
) -> None:
    await agent.post(http, report(facts={"kernels": [KERNEL]}))
    late = (utc_now() - timedelta(hours=1)).isoformat()
    answer = await agent.post(http, report(at=late, facts={"kernels": []}))
    assert answer.status_code == 202
    assert await facts(database, agent) == {FactKind.KERNELS: [KERNEL]}


async def test_an_event_becomes_a_detection_and_sent_again_stays_one(
    http: httpx2.AsyncClient, database: Database, agent: SignedAgent
) -> None:
    for _ in range(2):
        answer = await agent.post(http, report(events=[event()]))
        assert (answer.status_code, answer.json()) == (202, {"status": "accepted", "packages": 0})
    assert await detections(database, agent) == [(RuleKind.HONEYPOT_CANARY, 1)]


async def test_events_that_cannot_be_taken_are_named_and_the_others_are_taken(
    http: httpx2.AsyncClient, database: Database, tenant: Tenant, agent: SignedAgent
) -> None:
    told = [
        event("old", at=(utc_now() - KEEP_EVENTS - timedelta(hours=1)).isoformat()),
        event("good"),
        event("ahead", at=(utc_now() + timedelta(minutes=6)).isoformat()),
    ]
    answer = await agent.post(http, report(events=told))
    assert answer.status_code == 202
    refused = answer.json()["refused_events"]
    assert [one["id"] for one in refused] == ["old", "ahead"]
    assert refused[0]["reason"] == "It is older than 30 days."
    assert "ahead of the hub's clock" in refused[1]["reason"]
    assert await detections(database, agent) == [(RuleKind.HONEYPOT_CANARY, 1)]
    assert await stored_samples(database, tenant.id) == 1


async def test_an_inventory_replaces_the_one_before_and_left_out_it_stays(
    http: httpx2.AsyncClient, database: Database, agent: SignedAgent
) -> None:
    other = PACKAGE | {"name": "curl"}
    for packages, expected in (
        ([PACKAGE, other], {("Debian:12", "libssl3"), ("Debian:12", "curl")}),
        (None, {("Debian:12", "libssl3"), ("Debian:12", "curl")}),
        ([other], {("Debian:12", "curl")}),
        ([], set()),
    ):
        answer = await agent.post(http, report(packages=packages))
        assert (answer.status_code, answer.json()["packages"]) == (202, len(packages or ()))
        assert await installed(database, agent) == expected


async def test_a_host_that_is_attached_to_ubuntu_pro_has_packages_of_pro(
    http: httpx2.AsyncClient, database: Database, agent: SignedAgent
) -> None:
    """The agent says so in the ecosystem; a host that leaves Pro is an ordinary one again."""
    for ecosystem in ("Ubuntu:22.04:LTS", "Ubuntu:Pro:22.04:LTS", "Ubuntu:22.04:LTS"):
        answer = await agent.post(http, report(packages=[PACKAGE | {"ecosystem": ecosystem}]))
        assert (answer.status_code, answer.json()["packages"]) == (202, 1)
        assert await installed(database, agent) == {(ecosystem, "libssl3")}


async def test_where_a_host_listens_says_whether_strangers_reach_it(
    http: httpx2.AsyncClient, database: Database, agent: SignedAgent
) -> None:
    async def told(listening: list[str] | None) -> bool | None:
        body = report(packages=[PACKAGE], listening=listening)
        body["system"]["addresses"] = [PUBLIC_ADDRESS]
        assert (await agent.post(http, body)).status_code == 202
        return await listens_publicly(database, agent)

    assert await told(None) is None
    assert await told(["127.0.0.1", "0.0.0.0"]) is True  # noqa: S104 - what a host says
    assert await told(None) is True  # left out: not known to have changed
    assert await told(["127.0.0.1", "10.0.0.5"]) is False
    assert await told(["fe80::1%eth0", PUBLIC_ADDRESS]) is True
    assert await told([]) is False


@pytest.mark.parametrize(
    ("parts", "field"),
    [
        ({"facts": {"kernels": [KERNEL] * (MAX_KERNELS + 1)}}, "facts.kernels"),
        ({"facts": {"listening": [{"protocol": "tcp"}]}}, "facts.listening.0.address"),
        ({"facts": {"backups": [BACKUP | {"max_age_hours": 0}]}}, "facts.backups.0.max_age_hours"),
        ({"facts": {"accounts": "root"}}, "facts.accounts"),
        ({"facts": []}, "facts"),
        ({"events": [event(kind="sneezed")]}, "events.0.kind"),
        ({"events": [event(), event(at="now")]}, "events.1.at"),
        ({"events": [event(summary="")]}, "events.0.summary"),
        ({"events": [event(path="/a\nb")]}, "events.0.path"),
        ({"events": [event(details={"Key": "x"})]}, "events.0.details.Key.[key]"),
        ({"events": [event(count=0)]}, "events.0.count"),
        ({"events": [event(str(number)) for number in range(MAX_EVENTS + 1)]}, "events"),
        ({"packages": [PACKAGE, PACKAGE | {"name": "naïve"}]}, "packages.1.name"),
        ({"packages": [PACKAGE | {"version": ""}]}, "packages.0.version"),
        ({"packages": [{}]}, "packages.0.ecosystem"),
        ({"packages": {"libssl3": "3.0"}}, "packages"),
        ({"listening": ["::"] * (MAX_LISTENING + 1)}, "listening"),
        ({"listening": ["a" * 65]}, "listening.0"),
    ],
)
async def test_what_is_wrong_in_them_is_named_and_nothing_is_stored(
    http: httpx2.AsyncClient,
    database: Database,
    tenant: Tenant,
    agent: SignedAgent,
    parts: dict[str, Any],
    field: str,
) -> None:
    good = {"facts": {"kernels": [KERNEL]}, "events": [event()], "packages": [PACKAGE]}
    answer = await agent.post(http, report(**good | parts))
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, field)
    assert await facts(database, agent) == {}
    assert await detections(database, agent) == []
    assert await installed(database, agent) == set()
    assert await stored_samples(database, tenant.id) == 0


@pytest.mark.parametrize("failing", ["take_inventory", "note_exposure", "take_facts"])
async def test_all_of_a_report_is_stored_or_none_and_it_may_be_sent_again(
    http: httpx2.AsyncClient,
    database: Database,
    tenant: Tenant,
    agent: SignedAgent,
    monkeypatch: pytest.MonkeyPatch,
    failing: str,
) -> None:
    body = report(
        facts={"kernels": [KERNEL]}, events=[event()], packages=[PACKAGE], listening=["::"]
    )
    sequence = agent.sequence + 1

    async def fail(*_: object, **__: object) -> None:
        raise ConnectionResetError

    with monkeypatch.context() as patch:
        patch.setattr(f"hub.ingest.taking.{failing}", fail)
        refused = await agent.post(http, body, sequence=sequence)
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "UNAVAILABLE")
    assert int(refused.headers["Retry-After"]) > 0
    assert await facts(database, agent) == {}
    assert await installed(database, agent) == set()
    assert await stored_samples(database, tenant.id) == 0
    assert (await agent.post(http, body, sequence=sequence)).status_code == 202
    assert await facts(database, agent) == {FactKind.KERNELS: [KERNEL]}
    assert await detections(database, agent) == [(RuleKind.HONEYPOT_CANARY, 1)]
    assert await installed(database, agent) == {("Debian:12", "libssl3")}


@pytest.mark.parametrize("part", [{"packages": [PACKAGE]}, {"events": [event()]}, {"facts": {}}])
async def test_too_many_that_wait_are_told_to_come_back(
    http: httpx2.AsyncClient,
    database: Database,
    tenant: Tenant,
    agent: SignedAgent,
    monkeypatch: pytest.MonkeyPatch,
    part: dict[str, Any],
) -> None:
    monkeypatch.setattr("hub.ingest.door._MAX_WAITING", 0)
    refused = await agent.post(http, report(**part))
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "UNAVAILABLE")
    assert await stored_samples(database, tenant.id) == 0
