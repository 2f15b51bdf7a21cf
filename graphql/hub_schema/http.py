"""`POST /graphql`: GraphQL over HTTP for people who are signed in.

A request names a persisted document (`documentId`, appendix A of GraphQL over HTTP): one of the
operation files, which everybody who is signed in may run as far as the permissions of its fields
go. A document of one's own (`query`) needs the permission `schema:explore` and is held to
`hub_schema.limits`.

Only sessions of people come in here. A connector's token opens `/mcp` and nothing else.
"""

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus

import structlog
from graphql import ExecutionResult, OperationType
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from hub.principal import Permission, Principal, PrincipalKind
from hub.settings import Settings
from hub_schema.adhoc import checked
from hub_schema.http_execution import PersistedOperation, Runnable, executed
from hub_schema.http_request import (
    JSON,
    GraphQLRequest,
    Refusal,
    check_content_type,
    check_method,
    check_site,
    parameters_of,
    read_body,
)
from hub_schema.http_response import refusal_response, response_type, result_response
from hub_schema.limits import OPERATION_TIMEOUT
from hub_schema.operations import operations_by_document_id
from oauth.sessions import session_principal

_log = structlog.get_logger(__name__)

type PrincipalOf = Callable[[Request], Awaitable[Principal | None]]


class GraphQLEndpoint:
    """The endpoint as an ASGI application, so that no method but ours is answered for us."""

    def __init__(self, settings: Settings, principal_of: PrincipalOf) -> None:
        self._principal_of = principal_of
        self._max_bytes = settings.max_request_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        response = await self.answer(Request(scope, receive))
        await response(scope, receive, send)

    async def answer(self, request: Request) -> Response:
        """Return the answer, in the media type that the client likes best."""
        media_type = JSON
        try:
            check_method(request)
            media_type = response_type(request)
            check_site(request)
            check_content_type(request)
            result = await self._within_time(request)
        except Refusal as refusal:
            return refusal_response(refusal, media_type)
        except (SQLAlchemyError, OSError) as error:
            # No traceback: while the database is away every request ends here.
            _log.error("graphql_database_unavailable", error=type(error).__name__)
            return refusal_response(_unavailable(), media_type)
        return result_response(result, media_type)

    async def _within_time(self, request: Request) -> ExecutionResult:
        try:
            async with asyncio.timeout(OPERATION_TIMEOUT.total_seconds()):
                principal = await self._person(request)
                body = await read_body(request, max_bytes=self._max_bytes)
                return await _result(request, principal, parameters_of(body))
        except TimeoutError as error:
            raise Refusal(
                HTTPStatus.GATEWAY_TIMEOUT,
                "TIMEOUT",
                "The operation took too long and was stopped; ask for less.",
            ) from error

    async def _person(self, request: Request) -> Principal:
        principal = await self._principal_of(request)
        if principal is None or principal.kind is not PrincipalKind.SESSION:
            raise Refusal(
                HTTPStatus.UNAUTHORIZED,
                "UNAUTHENTICATED",
                "Sign in first. Connectors use the MCP endpoint.",
                # RFC 9110 wants a challenge; no registered scheme stands for a sign-in page.
                headers={"WWW-Authenticate": 'Cookie realm="monsys hub"'},
            )
        return principal


def _unavailable() -> Refusal:
    return Refusal(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "UNAVAILABLE",
        "The hub's database does not answer. Nothing was changed; try again.",
        headers={"Retry-After": "5"},
    )


async def _result(request: Request, principal: Principal, asked: GraphQLRequest) -> ExecutionResult:
    runnable = _persisted(asked) if asked.query is None else _ad_hoc(asked, principal)
    if isinstance(runnable, ExecutionResult):
        return runnable
    return await executed(request, principal, runnable)


def _persisted(asked: GraphQLRequest) -> Runnable:
    operation = operations_by_document_id().get(asked.document_id or "")
    if operation is not None and operation.definition.operation is OperationType.SUBSCRIPTION:
        raise Refusal(
            HTTPStatus.BAD_REQUEST,
            "BAD_REQUEST",
            "Subscriptions go over the WebSocket of this address (graphql-transport-ws).",
        )
    if operation is None:
        raise Refusal(
            HTTPStatus.NOT_FOUND,
            "PERSISTED_DOCUMENT_NOT_FOUND",
            "`documentId` names no document of this hub; the page may be older than the hub.",
        )
    name = operation.definition.name
    if asked.operation_name is not None and (name is None or name.value != asked.operation_name):
        raise Refusal(
            HTTPStatus.BAD_REQUEST,
            "BAD_REQUEST",
            "`operationName` must name an operation of the document.",
        )
    return PersistedOperation(operation, asked.variables)


def _ad_hoc(asked: GraphQLRequest, principal: Principal) -> Runnable | ExecutionResult:
    if not principal.may(Permission.SCHEMA_EXPLORE):
        raise Refusal(
            HTTPStatus.FORBIDDEN,
            "FORBIDDEN",
            f"Documents of one's own need the permission {Permission.SCHEMA_EXPLORE.value};"
            " send a `documentId`.",
        )
    return checked(asked.query or "", asked.variables, asked.operation_name)


def graphql_routes(
    settings: Settings, *, principal_of: PrincipalOf = session_principal
) -> list[Route]:
    """Return the route of the endpoint; the application's state holds settings and database."""
    return [Route("/graphql", GraphQLEndpoint(settings, principal_of), name="graphql")]
