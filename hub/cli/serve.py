"""`monsys serve`: the hub."""

import asyncio
import signal
import sys
from typing import Annotated

import structlog
import typer
import uvicorn

from hub.cli.listener import open_listener
from hub.cli.readiness import check_database
from hub.cli.setting_options import check_data_dir, settings_from
from hub.configuration_table import configuration_table
from hub.database import Database
from hub.logging import configure_logging
from hub.provision import database_urls
from hub.settings import Environment, Settings

_log = structlog.get_logger(__name__)
GRACEFUL_SECONDS = 3
MAX_SOCKET_MESSAGE_BYTES = 65_536  # a subscription's document; only the hub sends more

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")

_EPILOG = f"""
**Examples**

`monsys serve` · `monsys serve --port 9000` · `MONSYS_DATABASE_URL=postgresql://… monsys serve`

**Environment variables**

| variable | default | meaning |
|---|---|---|
{configuration_table()}
"""


@app.command(epilog=_EPILOG)
def serve(
    host: Annotated[
        str | None,
        typer.Option(help="Address to listen on.", show_default="MONSYS_HOST, or 127.0.0.1"),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            help="Port; 0 finds a free one.", show_default="MONSYS_PORT, or 8460", min=0, max=65535
        ),
    ] = None,
) -> None:
    """Run the hub: API, MCP, OAuth, dashboard.

    Refuses to start on a database that is not migrated (run `monsys migrate`), or as a database
    role that could read across tenants.

    Any number of these may serve one database. Whatever guards an account (failed sign-ins,
    one-time codes, letters, registrations) is counted in the database, by all of them together.
    Limits that keep the hub responsive (calls of the connector, requests to OAuth endpoints) are
    counted by each process, unless MONSYS_RATE_LIMIT_STORAGE_URL names a store that they share.
    """
    settings = settings_from(host=host, port=port)
    configure_logging(settings.log_format)
    warn_of_separate_limits(settings)
    listener = open_listener(settings.host, settings.port)
    settings = settings_from(host=host, port=listener.getsockname()[1])
    if settings.database_url is None:
        check_data_dir(settings)
    urls = database_urls(settings)
    asyncio.run(check_database(urls.hub, is_embedded=urls.is_embedded))
    database = Database(urls.hub, pool_size=settings.database_pool_size)
    server = uvicorn.Server(hub_config(settings, database))
    host, port = listener.getsockname()[:2]
    _log.info("listening", host=host, port=port, connector=settings.resource)
    # Uvicorn stops gracefully and raises the signal again. By default that ends the process at
    # once, and nobody stops the embedded PostgreSQL.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with listener:
        server.run(sockets=[listener])


def warn_of_separate_limits(settings: Settings) -> None:
    """Say in production that replicas would each allow the whole of these limits."""
    is_separate = settings.rate_limit_storage_url.startswith("memory:")
    if settings.environment is Environment.PRODUCTION and is_separate:
        _log.warning(
            "rate_limits_counted_by_each_process",
            limits="MONSYS_MCP_CALLS_PER_MINUTE, MONSYS_OAUTH_REQUESTS_PER_MINUTE",
            hint="With several replicas set MONSYS_RATE_LIMIT_STORAGE_URL to a store they share."
            " Limits on sign-ins, codes, letters and registrations are shared already.",
        )


def hub_config(settings: Settings, database: Database) -> uvicorn.Config:
    """Return uvicorn's configuration with the hub in it."""
    # Imported when the port and the database are known to be fine: it takes a second.
    from hub.app import create_app  # noqa: PLC0415

    return uvicorn.Config(
        create_app(settings, database=database),
        log_config=None,  # hub.logging has configured everything
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACEFUL_SECONDS,
        lifespan="on",
        ws="websockets-sansio",
        ws_max_size=MAX_SOCKET_MESSAGE_BYTES,
        ws_per_message_deflate=False,  # compressing what others wrote beside secrets leaks them
    )
