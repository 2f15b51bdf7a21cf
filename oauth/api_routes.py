"""Endpoints that clients call themselves, on the API's origin: discovery, registration, tokens."""

from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any, override

import structlog
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import InvalidRequestError
from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect

from hub.errors import Throttled
from hub.outage import is_passing, sqlstate_of
from oauth.errors import ServerFaultError, TemporarilyUnavailableError, TooManyRequestsError
from oauth.introspection import IntrospectionEndpoint
from oauth.metadata import (
    AUTHORIZE_PATH,
    INTROSPECT_PATH,
    JWKS_PATH,
    REGISTER_PATH,
    REVOKE_PATH,
    TOKEN_PATH,
    authorization_server_metadata,
    openid_metadata,
    protected_resource_metadata,
)
from oauth.models import StepKind
from oauth.openapi import (
    ALIAS_RESPONSES,
    INTROSPECT_RESPONSES,
    REGISTER_RESPONSES,
    REVOKE_RESPONSES,
    TOKEN_RESPONSES,
    form_body,
    json_body,
)
from oauth.registration import ClientMetadata, RegistrationEndpoint
from oauth.requests import EndpointRequest, MetadataRequest, Pairs, form_pairs, json_object
from oauth.responses import CORS_HEADERS, error_response
from oauth.revocation import RevocationEndpoint
from oauth.server import HubAuthorizationServer, said_client_id
from oauth.service import OAuth, OAuthDep, request_id_of
from oauth.throttle import address_of
from oauth.trace import Step

# Clients look in several places: RFC 8414 §3 with and without the endpoint's path inserted, and
# where OpenID Connect puts it (MCP authorization, "Authorization Server Metadata Discovery").
_SERVER_METADATA_PATHS = (
    "/.well-known/oauth-authorization-server",
    "/.well-known/oauth-authorization-server/mcp",
)
_OPENID_METADATA_PATHS = (
    "/.well-known/openid-configuration",
    "/.well-known/openid-configuration/mcp",
    "/mcp/.well-known/openid-configuration",
)
_METADATA_HEADERS = {**CORS_HEADERS, "Cache-Control": "public, max-age=300"}

_log = structlog.get_logger(__name__)


class ClientRoute(APIRoute):
    """A route that breaks in OAuth's own words: clients parse `error` as a string, or fail twice.

    What is raised in here has rolled its transaction back, so nothing was issued or used up.
    """

    @override
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler, with answers of ours for what nobody expected."""
        handler = super().get_route_handler()

        async def answer(request: Request) -> Response:
            try:
                return await handler(request)
            except HTTPException:
                raise  # refused on purpose, in words of its own (another host's name)
            except ClientDisconnect:
                return Response(status_code=400)  # nobody reads it
            except Exception as error:  # noqa: BLE001 - the outermost edge of these endpoints
                return _fault(request, error)

        return answer


def _fault(request: Request, error: Exception) -> Response:
    if is_passing(error):
        _log.warning("database_away", error=type(error).__name__, state=sqlstate_of(error))
        told: OAuth2Error = TemporarilyUnavailableError()
    else:
        _log.error("request_failed", exc_info=error)
        told = ServerFaultError()
    return error_response(told, request_id=request_id_of(request))


router = APIRouter(tags=["oauth"], default_response_class=JSONResponse, route_class=ClientRoute)


async def server_metadata(oauth: OAuthDep) -> JSONResponse:
    """Describe the authorization server (RFC 8414)."""
    return JSONResponse(authorization_server_metadata(oauth.settings), headers=_METADATA_HEADERS)


async def openid_server_metadata(oauth: OAuthDep) -> JSONResponse:
    """Describe the authorization server where OpenID Connect looks (Discovery 1.0 §4)."""
    return JSONResponse(openid_metadata(oauth.settings), headers=_METADATA_HEADERS)


async def signing_keys() -> JSONResponse:
    """Say that nothing is signed: our tokens are opaque (RFC 7517 §5, an empty set)."""
    return JSONResponse({"keys": []}, headers=_METADATA_HEADERS)


async def endpoint_metadata(oauth: OAuthDep) -> JSONResponse:
    """Describe the MCP endpoint as a protected resource (RFC 9728)."""
    document = protected_resource_metadata(oauth.settings, oauth.settings.resource)
    return JSONResponse(document, headers=_METADATA_HEADERS)


async def origin_metadata(oauth: OAuthDep) -> JSONResponse:
    """Describe the bare origin, which answers MCP as well; clients compare `resource` exactly."""
    document = protected_resource_metadata(oauth.settings, oauth.settings.api_origin)
    return JSONResponse(document, headers=_METADATA_HEADERS)


async def exchange_code(request: Request, oauth: OAuthDep) -> Response:
    """Exchange an authorization code for an access token (RFC 6749 §4.1.3)."""

    def answer(server: HubAuthorizationServer, asked: EndpointRequest) -> Response:
        response: Response = server.create_token_response(asked)
        return response

    return await _answer_form(request, oauth, answer, endpoint="token", required="grant_type")


async def revoke_token(request: Request, oauth: OAuthDep) -> Response:
    """Revoke a token and the grant behind it (RFC 7009)."""

    def answer(server: HubAuthorizationServer, asked: EndpointRequest) -> Response:
        name = RevocationEndpoint.ENDPOINT_NAME
        response: Response = server.create_endpoint_response(name, asked)
        return response

    return await _answer_form(request, oauth, answer, endpoint="revoke", required="token")


async def introspect_token(request: Request, oauth: OAuthDep) -> Response:
    """Tell our own resource servers what a token is good for (RFC 7662)."""

    def answer(server: HubAuthorizationServer, asked: EndpointRequest) -> Response:
        name = IntrospectionEndpoint.ENDPOINT_NAME
        response: Response = server.create_endpoint_response(name, asked)
        return response

    return await _answer_form(request, oauth, answer, endpoint="introspect", required="token")


async def register_client(request: Request, oauth: OAuthDep) -> Response:
    """Register a client (RFC 7591)."""
    try:
        await oauth.pace.registration(address=address_of(request))
        data = await json_object(request, limit=oauth.settings.max_request_bytes)
    except Throttled as error:
        too_many = TooManyRequestsError(error.retry_after_seconds)
        return await _refused(request, oauth, too_many, endpoint="register")
    except OAuth2Error as error:
        return await _refused(request, oauth, error, endpoint="register")
    async with oauth.database.transaction() as session:
        server = oauth.server(session, request_id=request_id_of(request))
        response: Response = await session.run_sync(
            lambda _: server.create_endpoint_response(
                RegistrationEndpoint.ENDPOINT_NAME, MetadataRequest(request, data)
            )
        )
    return response


async def authorize_at_root(request: Request, oauth: OAuthDep) -> Response:
    """Send clients of MCP 2025-03-26, which look here by default, to the authorization endpoint."""
    target = oauth.settings.public_app_origin + AUTHORIZE_PATH
    if request.url.query:
        target += f"?{request.url.query}"
    return Response(status_code=307, headers={"Location": target})


async def _preflight() -> Response:
    """Allow pages of any origin to call: these endpoints take no cookies."""
    return Response(status_code=204, headers=CORS_HEADERS)


async def _answer_form(
    request: Request,
    oauth: OAuth,
    answer: Callable[[HubAuthorizationServer, EndpointRequest], Response],
    *,
    endpoint: str,
    required: str,
) -> Response:
    """Read the form and answer within one transaction, committed before the response leaves."""
    address = address_of(request)
    try:
        await oauth.throttle.request(endpoint=endpoint, address=address)
        pairs = await form_pairs(request, limit=oauth.settings.max_request_bytes)
        _check_parameters(pairs, required)
        asked = EndpointRequest(request, pairs)
        client_id = said_client_id(asked)
        await oauth.throttle.client_attempt(address=address, client_id=client_id)
    except Throttled as error:
        too_many = TooManyRequestsError(error.retry_after_seconds)
        return await _refused(request, oauth, too_many, endpoint=endpoint)
    except OAuth2Error as error:
        return await _refused(request, oauth, error, endpoint=endpoint)
    async with oauth.database.transaction() as session:
        server = oauth.server(session, request_id=request_id_of(request))
        response = await session.run_sync(lambda _: answer(server, asked))
    if response.status_code == HTTPStatus.UNAUTHORIZED:
        await oauth.throttle.client_failure(address=address, client_id=client_id)
    return response


async def _refused(
    request: Request, oauth: OAuth, error: OAuth2Error, *, endpoint: str
) -> Response:
    """Refuse what was malformed or one too many, before any grant or client was looked at."""
    request_id = request_id_of(request)
    step = Step(
        kind=StepKind.REFUSED,
        request_id=request_id,
        details={"at": endpoint, "error": error.error, "reason": error.description},
    )
    await oauth.refusals.write(step, caller=address_of(request))
    return error_response(error, request_id=request_id)


def _check_parameters(pairs: Pairs, required: str) -> None:
    """Refuse what is missing or named twice (RFC 6749 §3.2); `resource` may be repeated."""
    names = [name for name, _ in pairs if name != "resource"]
    if len(names) != len(set(names)):
        raise InvalidRequestError("A parameter is named twice.")
    if required not in names:
        raise InvalidRequestError(f"{required} is required.")


_TOKEN_FORM = form_body(
    grant_type="authorization_code",
    code="from the redirect",
    redirect_uri="https://claude.ai/oauth/callback",
    client_id="mcp_0123456789abcdef0123456789abcdef",
    code_verifier="the one behind the challenge",
    resource="https://api.example.com/mcp",
)
for _path in _SERVER_METADATA_PATHS:
    router.add_api_route(_path, server_metadata, methods=["GET"])
for _path in _OPENID_METADATA_PATHS:
    router.add_api_route(_path, openid_server_metadata, methods=["GET"])
router.add_api_route(JWKS_PATH, signing_keys, methods=["GET"])
router.add_api_route("/.well-known/oauth-protected-resource", origin_metadata, methods=["GET"])
router.add_api_route(
    "/.well-known/oauth-protected-resource/mcp", endpoint_metadata, methods=["GET"]
)
for _path in (TOKEN_PATH, "/token"):
    router.add_api_route(
        _path,
        exchange_code,
        methods=["POST"],
        responses=TOKEN_RESPONSES,
        openapi_extra=_TOKEN_FORM,
    )
for _path in (REGISTER_PATH, "/register"):
    router.add_api_route(
        _path,
        register_client,
        methods=["POST"],
        status_code=201,
        responses=REGISTER_RESPONSES,
        openapi_extra=json_body(ClientMetadata),
    )
router.add_api_route(
    REVOKE_PATH,
    revoke_token,
    methods=["POST"],
    responses=REVOKE_RESPONSES,
    openapi_extra=form_body(token="mat_…", client_id="mcp_0123456789abcdef0123456789abcdef"),  # noqa: S106
)
router.add_api_route(
    INTROSPECT_PATH,
    introspect_token,
    methods=["POST"],
    responses=INTROSPECT_RESPONSES,
    openapi_extra=form_body(token="mat_…"),  # noqa: S106
)
for _method in ("GET", "POST"):
    router.add_api_route(
        "/authorize",
        authorize_at_root,
        methods=[_method],
        status_code=307,
        response_class=Response,
        responses=ALIAS_RESPONSES,
    )
for _path in (
    *_SERVER_METADATA_PATHS,
    *_OPENID_METADATA_PATHS,
    "/.well-known/oauth-protected-resource",
    "/.well-known/oauth-protected-resource/mcp",
    TOKEN_PATH,
    "/token",
    REGISTER_PATH,
    "/register",
    REVOKE_PATH,
):
    router.add_api_route(_path, _preflight, methods=["OPTIONS"], include_in_schema=False)
