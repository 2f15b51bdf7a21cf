"""`GET /graphql` upgraded to a WebSocket: subscriptions over graphql-transport-ws.

The person is known by the cookie of the handshake, which browsers send along with a page's origin;
another site's page is refused there. A sign-in that ends, or a role that changes, ends the
connection before the next change goes out. Documents are those of `POST /graphql`: persisted ones
(`documentId`), or one's own (`query`) for who may explore the schema.
"""

import asyncio
from datetime import timedelta
from time import monotonic

from sqlalchemy.exc import SQLAlchemyError
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketState
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL

from hub.database import Database
from hub.principal import Principal
from hub.settings import Settings
from hub.tenancy.sessions import principal_of_session
from hub_schema.live_protocol import SIGN_IN_AGAIN, UNAUTHORIZED, LiveProtocol
from oauth.sessions import is_same_site, session_token

MAX_CONNECTIONS = 20  # a person, on one hub process
STANDING_CHECKED_EVERY = timedelta(seconds=15)
_TRUSTED_FOR = timedelta(seconds=1)  # a burst of changes does not ask for each of them
_FORBIDDEN, _NOT_ACCEPTABLE, _TOO_MANY, _RESTARTING = 4403, 4406, 4429, 1012


class _Standing:
    """Whether the person of a connection is still signed in, in the same role."""

    def __init__(self, database: Database, token: str, idle: timedelta) -> None:
        self._database = database
        self._token = token
        self._idle = idle
        self._checked_at = 0.0

    async def principal(self) -> Principal | None:
        """Return who is signed in. Watching is no activity: an open page does not idle less."""
        principal = await principal_of_session(
            self._database, token=self._token, idle=self._idle, is_activity=False
        )
        self._checked_at = monotonic()
        return principal

    async def is_still(self, then: Principal) -> bool:
        """Tell whether a person may still see what they could see when they connected."""
        if monotonic() - self._checked_at < _TRUSTED_FOR.total_seconds():
            return True
        now = await self.principal()
        return now is not None and (now.tenant_id, now.user_id, now.permissions) == (
            then.tenant_id,
            then.user_id,
            then.permissions,
        )


class LiveEndpoint:
    """The WebSocket endpoint; one for each hub process, because it counts its connections."""

    def __init__(self) -> None:
        self._open: dict[str, int] = {}

    async def __call__(self, websocket: WebSocket) -> None:
        """Serve one connection."""
        settings: Settings = websocket.app.state.settings
        token = session_token(websocket, settings)
        if not is_same_site(websocket) or token is None:
            await websocket.close(_FORBIDDEN if token else UNAUTHORIZED)
            return
        idle = timedelta(minutes=settings.session_idle_minutes)
        standing = _Standing(websocket.app.state.database, token, idle)
        principal = await standing.principal()
        if principal is None:
            await websocket.close(UNAUTHORIZED)
            return
        await self._serve(websocket, standing, principal)

    async def _serve(self, websocket: WebSocket, standing: _Standing, principal: Principal) -> None:
        person = str(principal.user_id)
        if self._open.get(person, 0) >= MAX_CONNECTIONS:
            await websocket.close(_TOO_MANY)
            return
        if GRAPHQL_TRANSPORT_WS_PROTOCOL not in websocket.scope.get("subprotocols", ()):
            await websocket.close(_NOT_ACCEPTABLE, "Use the subprotocol graphql-transport-ws.")
            return
        self._open[person] = self._open.get(person, 0) + 1
        try:
            await websocket.accept(subprotocol=GRAPHQL_TRANSPORT_WS_PROTOCOL)
            await self._until_it_ends(websocket, standing, principal)
        finally:
            self._open[person] -= 1
            if not self._open[person]:
                del self._open[person]

    @staticmethod
    async def _until_it_ends(
        websocket: WebSocket, standing: _Standing, principal: Principal
    ) -> None:
        state = websocket.app.state
        handler = LiveProtocol(
            websocket,
            database=state.database,
            feed=state.live,
            principal=principal,
            is_still=lambda: standing.is_still(principal),
        )
        guard = asyncio.create_task(_guard(websocket, standing, principal), name="live-guard")
        try:
            await handler.handle()
        finally:
            guard.cancel()


async def _guard(websocket: WebSocket, standing: _Standing, principal: Principal) -> None:
    """Close the connection once its person is no longer signed in as they were."""
    while True:
        await asyncio.sleep(STANDING_CHECKED_EVERY.total_seconds())
        try:
            is_still = await standing.is_still(principal)
        except (SQLAlchemyError, OSError):
            await _close(websocket, _RESTARTING, "The database does not answer; connect again.")
            return
        if not is_still:
            await _close(websocket, UNAUTHORIZED, SIGN_IN_AGAIN)
            return


async def _close(websocket: WebSocket, code: int, reason: str) -> None:
    if websocket.application_state is WebSocketState.CONNECTED:
        await websocket.close(code, reason)


def live_routes() -> list[WebSocketRoute]:
    """Return the WebSocket's route; the application's state holds database, settings and feed."""
    return [WebSocketRoute("/graphql", LiveEndpoint().__call__, name="graphql-live")]
