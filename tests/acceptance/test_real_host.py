"""This very machine as a watched host: enrolled with a token, reporting, attacked, seen by Claude.

The agent is the real program in a process of its own; the log that it follows and the bait that it
guards are the test's.
"""

import asyncio
import os
import platform
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import UUID

import psutil
import pytest
import pytest_asyncio
from sqlalchemy import select
from sqlmodel import col

from hub.clock import utc_now
from hub.fleet.enrolment_tokens import issue_enrolment_token
from hub.fleet.models import AgentPackage, PackageVersion
from hub.principal import Role
from hub.tenancy.passwords import hash_password
from tests.acceptance.connector import Connector, connect
from tests.acceptance.person import Account
from tests.factories import make_tenant, make_user
from tests.running_hub import RunningHub

pytestmark = pytest.mark.slow

NAME = "this-machine"
FAILURES = 12
WITHIN_SECONDS = 10  # between the last line in the log and Claude's answer
_PATIENCE_SECONDS = 60  # until the first inventory has arrived
_CONFIGURATION = """
disabled = ["binaries", "connections", "processes"]
[logs]
authentication = ["{folder}/auth.log"]
journal = "never"
[honeypots]
paths = ["{folder}/passwords.kdbx"]
"""


@dataclass(frozen=True)
class Host:
    """This machine as the hub's tenant knows it."""

    tenant_id: UUID
    folder: Path
    claude: Connector
    hub: RunningHub

    async def seen(self) -> dict[str, Any]:
        """Return what Claude learns about it."""
        return await self.claude.call("monsys_get_agent", agent=NAME)

    async def detections(self, rule_kind: str) -> list[dict[str, Any]]:
        """Return what Claude learns about one kind of event on it."""
        found = await self.claude.call(
            "monsys_list_detections", rule_kind=rule_kind, agent=NAME, since="1h"
        )
        listed: list[dict[str, Any]] = found["detections"]
        return listed


def monsys(*words: str) -> list[str]:
    """Return the command as a person types it."""
    return [sys.executable, "-m", "hub.cli", *words]


@contextmanager
def agent_running(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run the agent until the block ends."""
    command = monsys("agent", "run", "--state-dir", f"{folder}/state", "--config")
    with (folder / "agent.log").open("wb") as log:
        agent = subprocess.Popen([*command, f"{folder}/agent.toml"], stdout=log, stderr=log)
    try:
        yield agent
    finally:
        agent.terminate()
        agent.wait(timeout=30)


@asynccontextmanager
async def enrolled(hub: RunningHub, folder: Path) -> AsyncIterator[Host]:
    """Sign up as an organisation of its own, and enrol this machine there."""
    tenant = await make_tenant(hub.database)
    password = "a password that nobody guesses 4711"
    user = await make_user(
        hub.database, tenant, role=Role.OWNER, password_hash=hash_password(password)
    )
    async with hub.database.transaction(tenant_id=tenant.id) as session:
        issued = await issue_enrolment_token(
            session, tenant_id=tenant.id, made_by=user.email, now=utc_now()
        )
    enrolling = await asyncio.create_subprocess_exec(
        *monsys("agent", "enroll", "--url", hub.origin, "--name", NAME, "--state-dir"),
        f"{folder}/state",
        env=os.environ | {"MONSYS_AGENT_TOKEN": issued.token},
        stdout=subprocess.PIPE,
    )
    answer, _ = await enrolling.communicate()
    assert enrolling.returncode == 0, answer.decode()
    assert answer.decode().startswith(f"Enrolled as {NAME}")
    account = Account(user.email, password)
    claude = await connect(hub.http, hub.origin, hub.app_origin, account)
    yield Host(tenant.id, folder, claude, hub)


async def until[Found](look: Any, *, seconds: float) -> Found:
    """Look again until there is something; fail when it takes longer than this."""
    started = monotonic()
    while True:
        found: Found = await look()
        if found:
            return found
        assert monotonic() - started < seconds, f"nothing after {seconds} seconds"
        await asyncio.sleep(0.2)


@pytest_asyncio.fixture(scope="module")
async def host(hub: RunningHub, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Host]:
    """Return this machine, once its first report with the inventory has arrived."""
    folder = tmp_path_factory.mktemp("host")
    (folder / "auth.log").touch()
    (folder / "agent.toml").write_text(_CONFIGURATION.format(folder=folder))
    async with enrolled(hub, folder) as host:
        with agent_running(folder):

            async def is_known() -> bool:
                seen = await host.seen()
                return "cpu_percent" in seen and bool(await packages(host))

            await until(is_known, seconds=_PATIENCE_SECONDS)
            yield host


async def packages(host: Host) -> set[tuple[str, str]]:
    """Return the name and version of each package of the system that the hub knows."""
    async with host.hub.database.transaction(tenant_id=host.tenant_id) as session:
        rows = await session.execute(
            select(col(PackageVersion.name), col(PackageVersion.version))
            .join(AgentPackage, col(AgentPackage.package_version_id) == col(PackageVersion.id))
            .where(col(PackageVersion.ecosystem).startswith("Debian:"))
        )
        return {(name, version) for name, version in rows}


async def test_the_figures_are_those_of_this_machine(host: Host) -> None:
    seen = await host.seen()
    usage = psutil.disk_usage("/")
    [root] = [disk for disk in seen["disks"] if disk["mount"] == "/"]
    assert (seen["status"], seen["kernel"], seen["cpu_count"]) == (
        "online",
        platform.release(),
        psutil.cpu_count(),
    )
    assert seen["os"] == platform.freedesktop_os_release()["PRETTY_NAME"]
    assert root["total_bytes"] == usage.total
    assert root["used_percent"] == pytest.approx(usage.percent, abs=2)
    assert root["used_percent"] == pytest.approx(_df_percent("/"), abs=2)
    assert seen["memory_percent"] == pytest.approx(psutil.virtual_memory().percent, abs=15)
    assert 0 <= seen["cpu_percent"] <= 100


def _df_percent(mount: str) -> float:
    answer = subprocess.run(
        ["/usr/bin/df", "--output=pcent", mount], capture_output=True, check=True, text=True
    )
    return float(answer.stdout.split()[-1].rstrip("%"))


@pytest.mark.skipif(not Path("/usr/bin/dpkg-query").exists(), reason="a system without dpkg")
async def test_the_packages_are_those_that_dpkg_lists(host: Host) -> None:
    assert await packages(host) == _installed()


def _installed() -> set[tuple[str, str]]:
    listed = subprocess.run(
        ["/usr/bin/dpkg-query", "-W", "-f", "${db:Status-Abbrev}\t${Package}\t${Version}\n"],
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    rows = (line.split("\t") for line in listed.splitlines())
    return {(name, version) for state, name, version in rows if state[1] == "i"}


async def test_failed_logins_become_one_detection_within_seconds(host: Host) -> None:
    with (host.folder / "auth.log").open("a") as log:
        for number in range(FAILURES):
            log.write(
                f"{utc_now().isoformat()} {socket.gethostname()} sshd[4{number:03}]:"
                " Failed password for invalid user admin from 203.0.113.77"
                f" port {40_000 + number} ssh2\n"
            )
    written_at = monotonic()

    async def all_of_it() -> list[dict[str, Any]]:
        found = await host.detections("ssh_bruteforce")
        return found if found and found[0]["count"] == FAILURES else []

    found: list[dict[str, Any]] = await until(all_of_it, seconds=WITHIN_SECONDS)
    assert monotonic() - written_at < WITHIN_SECONDS
    assert [one["source_address"] for one in found] == ["203.0.113.77"]


async def test_whoever_opens_the_bait_is_seen_within_seconds(host: Host) -> None:
    bait = host.folder / "passwords.kdbx"
    assert bait.read_bytes()

    async def it() -> list[dict[str, Any]]:
        return await host.detections("honeypot_canary")

    found: list[dict[str, Any]] = await until(it, seconds=WITHIN_SECONDS)
    assert [one["agent"] for one in found] == [NAME]
