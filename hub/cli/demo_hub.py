"""The demo's parts, started one after the other and stopped together."""

import asyncio
import http.client
import shlex
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self, override

import uvicorn
from rich.markup import escape

from hub.cli.demo_host import enrol_this_host, reporting, this_host_name
from hub.cli.demo_sign_in import DemoSignIn
from hub.cli.demo_steps import Steps
from hub.cli.failures import CommandError
from hub.cli.output import answers
from hub.cli.readiness import check_database
from hub.cli.serve import hub_config
from hub.cli.setting_options import local_origin
from hub.clock import utc_now
from hub.database import Database
from hub.migrations.runner import migrate
from hub.provision import DatabaseUrls, database_urls
from hub.settings import Settings
from seed.simulator import LivingFleet
from seed.story import Tale, is_told, tell

_START_SECONDS = 30


class _Server(uvicorn.Server):
    """Uvicorn that leaves signals to the demo: it has more to stop than the server."""

    @contextmanager
    @override
    def capture_signals(self) -> Iterator[None]:
        yield


@dataclass(frozen=True)
class DemoHub:
    """A migrated database and the settings to serve it with."""

    settings: Settings
    urls: DatabaseUrls

    @classmethod
    def prepare(cls, settings: Settings, steps: Steps) -> Self:
        """Start PostgreSQL and migrate. Blocking: call it before the event loop runs."""
        with steps.step("PostgreSQL"):
            urls = database_urls(settings)
        if urls.owner is None:
            raise CommandError(
                "With MONSYS_DATABASE_URL the demo also needs MONSYS_DATABASE_OWNER_URL, to"
                " migrate. Without both it starts its own PostgreSQL."
            )
        with steps.step("Migrations"):
            migrate(urls.owner)
        return cls(settings, urls)

    async def run(self, listener: socket.socket, steps: Steps, ready_file: Path | None) -> None:
        """Serve until a signal says to stop."""
        await check_database(self.urls.hub)
        database = Database(self.urls.hub, pool_size=self.settings.database_pool_size)
        sign_in = DemoSignIn.of(self.settings)
        await self._seed(database, sign_in, steps)
        with steps.step("Hub"):
            server = _Server(hub_config(self.settings, database))
            serving = asyncio.create_task(server.serve(sockets=[listener]), name="hub")
            asked_to_stop = _on_signals(server)
            await self._until_ready(server, serving)
        living = asyncio.create_task(LivingFleet(database).run(), name="living-fleet")
        folder = await enrol_this_host(database, self._local_url, self.settings.data_dir)
        async with reporting(folder):
            if ready_file is not None:
                sign_in.write(ready_file)
            _tell_how_to_use(sign_in, self.settings)
            await asked_to_stop.wait()
        living.cancel()
        with suppress(asyncio.CancelledError):
            await living
        await serving  # its lifespan closes the database

    async def _seed(self, database: Database, sign_in: DemoSignIn, steps: Steps) -> None:
        if await is_told(database):
            if not self.urls.is_embedded:  # that one lies in the same folder as the sign-in's key
                await sign_in.check(database)
            return
        with steps.step("Northwind Logistics: 24 hosts and the story of five weeks"):
            await tell(database, Tale(now=utc_now(), sign_in=sign_in.sealed(self.settings)))

    @property
    def _local_url(self) -> str:
        return local_origin(self.settings.host, self.settings.port)

    async def _until_ready(self, server: uvicorn.Server, serving: asyncio.Task[None]) -> None:
        async with asyncio.timeout(_START_SECONDS):
            while not (server.started and await asyncio.to_thread(self._is_ready)):
                if serving.done():
                    serving.result()
                    raise CommandError("The hub ended while it was starting; see the log above.")
                await asyncio.sleep(0.02)

    def _is_ready(self) -> bool:
        address = self._local_url.removeprefix("http://")
        connection = http.client.HTTPConnection(address, timeout=5)
        try:
            connection.request("GET", "/health/ready")
            return connection.getresponse().status == http.client.OK
        except OSError:
            return False
        finally:
            connection.close()


def _on_signals(server: uvicorn.Server) -> asyncio.Event:
    """Stop the server when a signal asks for it; return the event of having been asked."""
    loop, asked = asyncio.get_running_loop(), asyncio.Event()

    def stop() -> None:
        server.force_exit = server.should_exit  # asked twice: do not wait for anybody
        server.should_exit = True
        asked.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    return asked


def _tell_how_to_use(sign_in: DemoSignIn, settings: Settings) -> None:
    folder = escape(shlex.quote(str(settings.data_dir)))
    is_usual = settings.data_dir == Settings().data_dir / "demo"
    option = "" if is_usual else f" --data-dir {folder}"
    answers.print(
        f"""
[bold]monsys is running[/], and {this_host_name()} (this machine) is one of its hosts.

  Dashboard    {sign_in.url}
  MCP          {sign_in.mcp_url}
  E-mail       {sign_in.email}
  Password     {sign_in.password}
  TOTP secret  {sign_in.totp_secret}
  Data folder  {folder}

Signing in asks for a one-time code. Keep the TOTP secret in an authenticator app, or run

  [bold]monsys demo{option} --code[/]

Add it to Claude Code:

  [bold]claude mcp add --transport http monsys {sign_in.mcp_url}[/]

Other commands find the demo with --tenant {sign_in.tenant} and the data folder as --data-dir.
Stop with Ctrl-C; the next start goes on where this one ends.
"""
    )
