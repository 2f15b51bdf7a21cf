"""The routes through which hosts report, as OpenAPI tells of them."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, override

from fastapi import APIRouter, Depends, Request, Response
from fastapi.routing import APIRoute

from hub.faults import ProblemResponse
from hub.ingest.authentication import seal_headers
from hub.ingest.bodies import ReportRoute
from hub.ingest.door import HEARTBEAT_PATH, INGEST_PATH, AgentDoor
from hub.ingest.enrol import add_enrolment_routes
from hub.ingest.report import Accepted, Heartbeat, Report
from hub.ingest.service_levels import add_service_level_routes

type Responses = dict[int | str, dict[str, Any]]


def _refusal(description: str) -> dict[str, Any]:
    return {"model": ProblemResponse, "description": description}


def _later(description: str) -> dict[str, Any]:
    seconds = {"schema": {"type": "integer"}, "description": "Seconds."}
    return _refusal(description) | {"headers": {"Retry-After": seconds}}


_LAST = {"schema": {"type": "integer"}, "description": "The last sequence of this key."}
_SIGNED_ONLY: Responses = {
    401: _refusal("Not signed, or not by a key that is enrolled, or not this request."),
    403: _refusal("The key is trusted no more; enrol the host again."),
    409: _refusal("The sequence is not new: it was sent before, or by a copy of the host.")
    | {"headers": {"X-Monsys-Last-Sequence": _LAST}},
    413: _refusal("The body is too large."),
    422: _refusal("A value or header is malformed or out of range, or the host's clock is wrong."),
    429: _later("Too many requests of this host; `Retry-After` says when to come back."),
    503: _later("The hub cannot store it now; nothing was stored. Send it again."),
}


class _DoorRoute(APIRoute):
    """Documented as any route is; answered by the same door as at the application's first."""

    @override
    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
        async def handle(request: Request) -> Response:
            door: AgentDoor = request.app.state.agent_door
            return await door.answering(self.path)(request)

        return handle


def ingest_routes() -> APIRouter:
    """Return the routes through which hosts report."""
    router = APIRouter(prefix="/api/v1", tags=["agents"], route_class=ReportRoute)
    router.add_api_route(
        INGEST_PATH.removeprefix(router.prefix),
        _ingest,
        methods=["POST"],
        status_code=202,
        summary="Store one report of a host",
        response_description="The report is stored durably.",
        responses=_SIGNED_ONLY,
        route_class_override=_DoorRoute,
    )
    router.add_api_route(
        HEARTBEAT_PATH.removeprefix(router.prefix),
        _heartbeat,
        methods=["POST"],
        summary="Say that a host is alive",
        response_description="The host counts as online for 90 seconds.",
        responses=_SIGNED_ONLY,
        route_class_override=_DoorRoute,
    )
    no_target: Responses = {404: _refusal("No target has this name or id.")}
    add_service_level_routes(router, _SIGNED_ONLY | no_target)
    add_enrolment_routes(router)
    return router


async def _ingest(_report: Report, _seal: Annotated[None, Depends(seal_headers)]) -> Accepted:
    """Store what a host measured, what it is, what happened there, and what is installed on it.

    All of a report is stored, or none of it; the answer leaves when it is durable. A moment that
    was measured before stays as it is. The body may be packed (`Content-Encoding: gzip`); the
    signature covers it as it is sent.
    """
    raise AssertionError("The door answers.")


async def _heartbeat(_seal: Annotated[None, Depends(seal_headers)]) -> Heartbeat:
    """Note that a host is alive, between its reports or instead of one. It has no body."""
    raise AssertionError("The door answers.")
