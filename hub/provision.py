"""Finds the database: the server that the settings name, or the embedded one."""

import asyncio
from dataclasses import dataclass

from sqlalchemy import text

from hub.database import engine_of
from hub.embedded import DATABASE_NAME, EmbeddedPostgres
from hub.settings import Settings


@dataclass(frozen=True)
class DatabaseUrls:
    """Where the database is: for the hub's unprivileged role, and for the schema's owner.

    `owner` is None when the operator keeps that login away from the hub.
    """

    hub: str
    owner: str | None
    is_embedded: bool


def database_urls(settings: Settings) -> DatabaseUrls:
    """Return the URLs; start the embedded server and make its database when none is named.

    Blocking, about a second for the embedded server: call it before the event loop runs.
    """
    owner = settings.database_owner_url
    if settings.database_url is not None:
        return DatabaseUrls(
            hub=settings.database_url.get_secret_value(),
            owner=owner.get_secret_value() if owner else None,
            is_embedded=False,
        )
    server = EmbeddedPostgres.start(settings.data_dir)
    asyncio.run(_make_database(server))
    return DatabaseUrls(hub=server.hub_url(), owner=server.owner_url(), is_embedded=True)


async def _make_database(server: EmbeddedPostgres) -> None:
    engine = engine_of(server.owner_url("postgres"), pool_size=1)
    async with engine.connect() as connection:
        autocommit = await connection.execution_options(isolation_level="AUTOCOMMIT")
        exists = await autocommit.scalar(
            text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": DATABASE_NAME}
        )
        if not exists:
            await autocommit.execute(text(f"CREATE DATABASE {DATABASE_NAME}"))
    await engine.dispose()
