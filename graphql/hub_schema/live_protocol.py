"""The protocol graphql-transport-ws, with the hub's own documents, permissions and transactions."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any, cast, override

import orjson
import structlog
from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    OperationType,
    execute,
    get_variable_values,
)
from graphql.execution import Executor, create_source_event_stream
from sqlalchemy.exc import SQLAlchemyError
from starlette.websockets import WebSocket
from strawberry.asgi import ASGIWebSocketAdapter
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import (
    BaseGraphQLTransportWSHandler,
    Operation,
)
from strawberry.types.unset import UNSET

from hub.database import Database, UnitOfWork
from hub.errors import Forbidden, HubError
from hub.live.feed import LiveFeed
from hub.live.watch import LiveEnded
from hub.principal import Permission, Principal
from hub_schema.adhoc import checked
from hub_schema.context import Context
from hub_schema.errors import presented
from hub_schema.live import LiveContext, check_permissions
from hub_schema.operations import GRAPHQL_SCHEMA, operations_by_document_id, permissions_of

_log = structlog.get_logger(__name__)
MAX_SUBSCRIPTIONS = 20  # a connection
UNAUTHORIZED = 4401
SIGN_IN_AGAIN = "Sign in again."
_INIT_WITHIN = timedelta(seconds=10)
_UNAVAILABLE = "The hub's database does not answer; subscribe again in a moment."

# Whether the person may still see what they could see when they connected.
type IsStill = Callable[[], Awaitable[bool]]


class _View:
    """What the protocol's handler asks of its view: JSON in and out, and nothing at connecting."""

    @staticmethod
    def decode_json(data: str | bytes) -> object:
        return orjson.loads(data)

    @staticmethod
    def encode_json(data: object) -> str:
        return orjson.dumps(data, default=str).decode()

    @staticmethod
    async def on_ws_connect(_context: object) -> object:
        return UNSET


class LiveProtocol(BaseGraphQLTransportWSHandler[Any, None]):
    """The protocol, with the hub's own documents, permissions and transactions."""

    def __init__(
        self,
        websocket: WebSocket,
        *,
        database: Database,
        feed: LiveFeed,
        principal: Principal,
        is_still: IsStill,
    ) -> None:
        view = cast("Any", _View())
        super().__init__(
            view=view,
            websocket=ASGIWebSocketAdapter(view, websocket, websocket),
            context=None,
            root_value=None,
            schema=cast("Any", None),  # operations are run below, not by the library
            connection_init_wait_timeout=_INIT_WITHIN,
            max_subscriptions_per_connection=MAX_SUBSCRIPTIONS,
        )
        self._database = database
        self._live = LiveContext(database, feed, principal)
        self._principal = principal
        self._is_still = is_still

    @override
    async def handle_message(self, message: Any) -> None:
        if isinstance(message, dict):
            await super().handle_message(cast("Any", message))
        else:
            await self.handle_invalid_message("a message is a JSON object")

    @override
    async def handle_subscribe(self, message: Any) -> None:
        payload = message.get("payload")
        if not isinstance(payload, dict) or not isinstance(message.get("id"), str):
            await self.handle_invalid_message("subscribe needs an id and a payload")
            return
        # The library reads `query`; a persisted document has none.
        told = {**payload, "query": (payload.get("documentId"), payload.get("query"))}
        await super().handle_subscribe(cast("Any", {**message, "payload": told}))

    @override
    async def run_operation(self, operation: Operation[Any, None]) -> None:
        try:
            document, variables, name = self._checked(operation)
            async for result in self._results(document, variables, name):
                await operation.send_next(cast("Any", result))
            await operation.send_operation_message({"id": operation.id, "type": "complete"})
        except LiveEnded as ended:
            await self._refuse(operation, ended)
        except HubError as error:
            await self._refuse(operation, error)
        except _RefusedError as refused:
            await operation.send_initial_errors(refused.errors)
        except (SQLAlchemyError, OSError) as error:
            _log.warning("subscription_interrupted", error=type(error).__name__)
            await self._refuse(operation, LiveEnded(_UNAVAILABLE))
        except Exception as error:  # noqa: BLE001 - the outermost edge of a subscription
            await operation.send_initial_errors([presented(GraphQLError("", original_error=error))])

    def _checked(
        self, operation: Operation[Any, None]
    ) -> tuple[DocumentNode, dict[str, Any], str | None]:
        """Return what may run; raise when it may not."""
        document_id, query = cast("tuple[object, object]", operation.query)
        variables = operation.variables or {}
        if not isinstance(variables, dict):
            raise _RefusedError([GraphQLError("`variables` must be a map.")])
        if (document_id is None) == (not query):
            text = "Give either `documentId`, or `query` if you may explore the schema."
            raise _RefusedError([GraphQLError(text)])
        if document_id is not None:
            return self._persisted(document_id, variables), variables, None
        return self._ad_hoc(str(query), variables, operation.operation_name)

    def _persisted(self, document_id: object, variables: dict[str, Any]) -> DocumentNode:
        known = operations_by_document_id().get(str(document_id))
        if known is None or known.definition.operation is not OperationType.SUBSCRIPTION:
            raise _RefusedError([GraphQLError("`documentId` names no subscription of this hub.")])
        check_permissions(self._principal, known.permissions)
        coerced = get_variable_values(
            GRAPHQL_SCHEMA, known.definition.variable_definitions or (), variables
        )
        if isinstance(coerced, list):
            raise _RefusedError([presented(error) for error in coerced])
        return known.document

    def _ad_hoc(
        self, query: str, variables: dict[str, Any], name: str | None
    ) -> tuple[DocumentNode, dict[str, Any], str | None]:
        if not self._principal.may(Permission.SCHEMA_EXPLORE):
            raise Forbidden("Documents of one's own need the permission schema:explore.")
        found = checked(query, variables, name, is_live=True)
        if isinstance(found, ExecutionResult):
            raise _RefusedError(found.errors or [])
        check_permissions(self._principal, permissions_of(found.document))
        known_as = found.definition.name
        return found.document, variables, known_as.value if known_as else None

    async def _results(
        self, document: DocumentNode, variables: dict[str, Any], name: str | None
    ) -> AsyncIterator[ExecutionResult]:
        """Yield one result a change, each executed in a transaction of its own."""
        built = Executor.build(
            GRAPHQL_SCHEMA,
            document,
            context_value=self._live,
            raw_variable_values=variables,
            operation_name=name,
        )
        if isinstance(built, list):
            raise _RefusedError([presented(error) for error in built])
        stream = create_source_event_stream(built)
        source = stream if hasattr(stream, "__aiter__") else await cast("Any", stream)
        if isinstance(source, ExecutionResult):
            raise _RefusedError([presented(error) for error in source.errors or []])
        async for event in source:
            if not await self._is_still():
                await self.websocket.close(UNAUTHORIZED, SIGN_IN_AGAIN)
                return
            yield await self._executed(document, event, variables, name)

    async def _executed(
        self, document: DocumentNode, event: object, variables: Mapping[str, Any], name: str | None
    ) -> ExecutionResult:
        tenant_id = self._principal.tenant_id
        async with self._database.transaction(tenant_id=tenant_id) as session:
            context = Context(UnitOfWork(session), self._principal)
            outcome = execute(
                GRAPHQL_SCHEMA,
                document,
                root_value=event,
                context_value=context,
                variable_values=dict(variables),
                operation_name=name,
            )
            result = outcome if isinstance(outcome, ExecutionResult) else await outcome
            if result.errors:
                await context.work.finish()
                result.errors = [presented(error) for error in result.errors]
        return result

    @staticmethod
    async def _refuse(operation: Operation[Any, None], error: HubError) -> None:
        await operation.send_initial_errors(
            [presented(GraphQLError(error.message, original_error=error))]
        )


class _RefusedError(Exception):
    """The operation is not run; the errors say why."""

    def __init__(self, errors: list[GraphQLError]) -> None:
        super().__init__()
        self.errors = errors
