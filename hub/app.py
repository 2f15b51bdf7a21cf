"""The composition root: settings in, one ASGI application out."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI
from starlette.middleware.errors import ServerErrorMiddleware

from hub.audit.writer import AuditWriter
from hub.database import Database
from hub.faults import broken, install_error_handlers
from hub.health import router as health_router
from hub.ingest.door import AgentDoor
from hub.ingest.foreign.routes import foreign_routes
from hub.ingest.foreign.upkeep import keep_foreign_alerts
from hub.ingest.intake import Intake
from hub.ingest.routes import ingest_routes
from hub.jobs.advisories import refresh_advisories
from hub.jobs.alerting import WEBHOOKS_JOB, deliver_webhooks
from hub.jobs.maintenance import Maintenance
from hub.jobs.metrics import drop_old_samples
from hub.jobs.queue import Jobs
from hub.live.feed import LiveFeed
from hub.memory import freeze_what_stays
from hub.provision import database_urls
from hub.request_id import RequestIdMiddleware
from hub.settings import Settings
from hub.tenancy.pruning import prune_accounts
from hub.web.documentation import Egress
from hub.web.routes import web_routes
from hub_schema.http import graphql_routes
from hub_schema.http_execution import dashboard_document
from hub_schema.operations import operations
from hub_schema.websocket import live_routes
from mcp_adapter.first_door import FirstDoor
from mcp_adapter.server import build_mcp
from oauth.bearer import BearerAuthenticator
from oauth.client_documents.fetcher import DocumentFetcher
from oauth.pruning import prune_oauth
from oauth.routes import build_oauth, oauth_routes
from oauth.sessions import session_principal
from oauth.sign_in_trail import carry_over_left

DESCRIPTION = """
The REST side of monsys hub: agents report here, OAuth clients register and get tokens here.
Reading goes through GraphQL (`POST /graphql`) and MCP (`POST /mcp`).
"""


def create_app(
    settings: Settings,
    *,
    database: Database | None = None,
    document_fetcher: DocumentFetcher | None = None,
) -> FastAPI:
    """Return the hub. Without a database it finds the one that the settings name.

    Finding it may start the embedded server, which blocks: call this before the event loop runs,
    or pass the database. Tests bring a fetcher that reaches their own network.
    """
    if database is None:
        database = Database(database_urls(settings).hub, pool_size=settings.database_pool_size)
    audit_writer = AuditWriter(database)
    authenticator = BearerAuthenticator(database, settings)
    live = LiveFeed(database)
    mcp = build_mcp(settings, database, authenticator, audit_writer)
    intake = Intake.of(database, settings)
    agent_door = AgentDoor(intake)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(database.close)
            beside: list[AbstractAsyncContextManager[object]] = [audit_writer, intake, live]
            for task in (*beside, *_background(database, settings)):
                await stack.enter_async_context(task)
            await stack.enter_async_context(mcp.run())
            freeze_what_stays()
            yield

    app = FirstDoor(
        title="monsys hub",
        version=version("monsys-hub"),
        description=DESCRIPTION,
        lifespan=lifespan,
        # Swagger's page loads its script from a foreign host; /openapi.json serves any viewer.
        docs_url=None,
        redoc_url=None,
    )
    app.posted = {
        path: RequestIdMiddleware(ServerErrorMiddleware(answer, handler=broken))
        for path, answer in {**mcp.posted, **agent_door.posted}.items()
    }
    app.state.settings = settings
    app.state.database = database
    app.state.intake = intake
    app.state.agent_door = agent_door
    app.state.live = live
    app.state.oauth = build_oauth(settings, database, fetcher=document_fetcher)
    install_error_handlers(app)
    _add_routes(app, settings)
    app.router.routes.extend(mcp.routes)
    return app


def _background(
    database: Database, settings: Settings
) -> Iterator[AbstractAsyncContextManager[object]]:
    """Yield what goes on beside the requests."""
    yield Maintenance(
        database,
        chores=(
            prune_oauth,
            prune_accounts,
            carry_over_left,
            keep_foreign_alerts,
            drop_old_samples(settings.metric_retention_days),
            refresh_advisories(settings),
        ),
    )
    if settings.run_jobs:
        yield Jobs(database, further={WEBHOOKS_JOB: deliver_webhooks(settings)})


def _add_routes(app: FastAPI, settings: Settings) -> None:
    app.include_router(health_router)
    app.include_router(foreign_routes())  # before the agents': one path is shared by both
    app.include_router(ingest_routes())
    app.include_router(oauth_routes())
    app.router.routes.extend(graphql_routes(settings))
    app.router.routes.extend(live_routes())
    app.router.routes.extend(
        web_routes(
            settings,
            principal_of=session_principal,
            document_of=dashboard_document,
            egress=_egress(),
        )
    )


def _egress() -> Egress:
    """Return what passes to Claude, from the declarations that the hub enforces."""
    return {
        name: [
            (field.path.partition(".")[2], field.egress.value)  # results leave the root out
            for field in operation.fields
            if field.egress is not None  # else it is an object, whose leaves say what they are
        ]
        for name, operation in operations("mcp").items()
    }
