"""`POST /api/v1/ingest` and `/api/v1/heartbeat`: where agents report."""

from datetime import timedelta
from typing import Any

from fastapi import APIRouter
from fastapi.routing import APIRoute

from hub.clock import utc_now
from hub.errors import InvalidInput
from hub.faults import ProblemResponse
from hub.fleet.commands import record_report, touch_agents
from hub.ingest.authentication import Agent
from hub.ingest.bodies import ReportRoute
from hub.ingest.report import Accepted, Heartbeat, Report
from hub.ingest.service_levels import add_service_level_routes
from hub.ingest.translation import agent_report, installed_packages
from hub.vulnerabilities.exposure import note_exposure
from hub.vulnerabilities.inventory import follow_running_kernel, take_inventory

MAX_CLOCK_AHEAD = timedelta(minutes=5)

type Responses = dict[int | str, dict[str, Any]]


def _refusal(description: str) -> dict[str, Any]:
    return {"model": ProblemResponse, "description": description}


_KNOWN_AGENTS_ONLY: Responses = {
    401: _refusal("No credential, or one that no agent has."),
    403: _refusal("The credential was revoked."),
    429: _refusal("Too many reports; `Retry-After` says when to come back.")
    | {"headers": {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}}},
    503: _refusal("The database does not answer; nothing was stored. Send it again."),
}
_REPORTS: Responses = {
    413: _refusal("The body is too large."),
    422: _refusal("A value is malformed, out of range, from the future or too old."),
}


def ingest_routes() -> APIRouter:
    """Return the routes through which agents report."""
    router = APIRouter(prefix="/api/v1", tags=["agents"], route_class=ReportRoute)
    router.add_api_route(
        "/ingest",
        _ingest,
        methods=["POST"],
        status_code=202,
        summary="Store one report of an agent",
        response_description="The report is stored durably.",
        responses=_KNOWN_AGENTS_ONLY | _REPORTS,
    )
    router.add_api_route(
        "/heartbeat",
        _heartbeat,
        methods=["POST"],
        summary="Say that an agent is alive",
        response_description="The agent counts as online for 90 seconds.",
        responses=_KNOWN_AGENTS_ONLY,
        route_class_override=APIRoute,  # it has no body to be read
    )
    no_target: Responses = {404: _refusal("No target has this name or id.")}
    add_service_level_routes(router, _KNOWN_AGENTS_ONLY | _REPORTS | no_target)
    return router


async def _ingest(report: Report, agent: Agent) -> Accepted:
    """Store what an agent measured, what it is, and, when it sends it, what is installed on it.

    All of a report is stored, or none of it. The answer leaves after the commit.
    """
    now = utc_now()
    if report.at > now + MAX_CLOCK_AHEAD:
        raise InvalidInput(
            "`at` is more than 5 minutes ahead; set the host's clock (NTP).", field="at"
        )
    await record_report(
        agent.session,
        tenant_id=agent.tenant_id,
        agent_id=agent.agent_id,
        report=agent_report(report),
        received_at=now,
    )
    packages = installed_packages(report)
    if packages is not None:
        await take_inventory(
            agent.session,
            tenant_id=agent.tenant_id,
            agent_id=agent.agent_id,
            packages=packages,
            at=now,
        )
    else:
        await follow_running_kernel(
            agent.session, tenant_id=agent.tenant_id, agent_id=agent.agent_id, at=now
        )
    if report.listening is not None:
        await note_exposure(
            agent.session,
            tenant_id=agent.tenant_id,
            agent_id=agent.agent_id,
            listening=report.listening,
        )
    return Accepted(packages=len(packages or ()))


async def _heartbeat(agent: Agent) -> Heartbeat:
    """Note that the agent is alive, between its reports or instead of one."""
    await touch_agents(
        agent.session,
        tenant_id=agent.tenant_id,
        agent_ids=[agent.agent_id],
        at=utc_now(),
    )
    return Heartbeat()
