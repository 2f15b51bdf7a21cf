"""Endpoints for the tools that people have already; `documentation` holds what OpenAPI tells."""

from typing import override

from fastapi import APIRouter, Request
from fastapi.routing import APIRoute
from pydantic import TypeAdapter, ValidationError
from starlette.routing import Match
from starlette.types import Scope

from hub.clock import utc_now
from hub.errors import InvalidInput
from hub.ingest.foreign import documentation as docs
from hub.ingest.foreign.alertmanager import Notification, first_problem, parse_notification
from hub.ingest.foreign.alerts import store_notification
from hub.ingest.foreign.answers import answered
from hub.ingest.foreign.bodies import check_json, parsed_json
from hub.ingest.foreign.cyclonedx import Bill, parse_bill
from hub.ingest.foreign.door import Delivery, deliver
from hub.ingest.foreign.falco import parse_falco
from hub.ingest.foreign.hosts import UnknownHost, hint_of, hosts_of
from hub.ingest.foreign.otlp.routes import take_metrics
from hub.ingest.foreign.outcome import Outcome
from hub.ingest.foreign.seen import NO_HOST, Batch, store_seen
from hub.ingest.foreign.signals import Signals, parse_signals, store_signals
from hub.ingest.foreign.wazuh import parse_wazuh
from hub.ingest.foreign.words import one_line
from hub.ingest.keys.commands import PREFIX
from hub.ingest.keys.models import IngestSource
from hub.ingest.service_levels import Counts
from hub.sla.counts import Count, record_counts
from hub.vulnerabilities.bills import take_bill

_JSON_LINES = frozenset({"application/x-ndjson", "application/jsonl", "text/plain"})
_BILLS = frozenset({"application/vnd.cyclonedx+json"})
_COUNTS: TypeAdapter[Counts] = TypeAdapter(Counts)


class _WithIngestKey(APIRoute):
    """A route that is only there for who shows an ingest key; others find the agents' one."""

    @override
    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        shown = dict(scope.get("headers", ())).get(b"authorization", b"")
        if not shown.lower().startswith(b"bearer " + PREFIX.encode()):
            return Match.NONE, {}
        return super().matches(scope)


def foreign_routes() -> APIRouter:
    """Return the routes by which other tools deliver."""
    router = APIRouter(tags=["other tools"])
    router.add_api_route("/v1/metrics", take_metrics, methods=["POST"], **docs.METRICS)
    for path, handle, told in (
        ("/api/v1/alertmanager", _take_alertmanager, docs.ALERTMANAGER),
        ("/api/v1/falco", _take_falco, docs.FALCO),
        ("/api/v1/wazuh", _take_wazuh, docs.WAZUH),
        ("/api/v1/sbom", _take_bill, docs.SBOM),
        ("/api/v1/signals", _take_signals, docs.SIGNALS),
    ):
        router.add_api_route(path, answered(handle), methods=["POST"], **told)
    router.add_api_route(
        "/api/v1/service-levels",
        answered(_take_counts),
        methods=["POST"],
        route_class_override=_WithIngestKey,
        include_in_schema=False,  # the agents' route documents the path
    )
    return router


async def _take_alertmanager(request: Request) -> Outcome:
    """Store alerts of Alertmanager: each alert's own status counts, each period once."""
    check_json(request)

    def parse(body: bytes) -> Notification:
        return parse_notification(body, now=utc_now())

    return await deliver(request, IngestSource.ALERTMANAGER, parse=parse, store=store_notification)


async def _take_falco(request: Request) -> Outcome:
    """Store events of Falco: for our rules where they read such, and as alerts otherwise."""
    check_json(request, also=_JSON_LINES)

    def parse(body: bytes) -> Batch:
        return parse_falco(body, now=utc_now())

    return await deliver(request, IngestSource.FALCO, parse=parse, store=store_seen)


async def _take_wazuh(request: Request) -> Outcome:
    """Store alerts of Wazuh: for our rules where they read such, and as alerts otherwise."""
    check_json(request, also=_JSON_LINES)

    def parse(body: bytes) -> Batch:
        return parse_wazuh(body, now=utc_now())

    return await deliver(request, IngestSource.WAZUH, parse=parse, store=store_seen)


async def _take_bill(request: Request) -> Outcome:
    """Store what a bill of materials says is installed on a host, beside its own package list."""
    check_json(request, also=_BILLS)
    host = request.query_params.get("host")
    subject = one_line(request.query_params.get("subject"), max_characters=200)

    async def store(delivery: Delivery, bill: Bill) -> Outcome:
        hint = hint_of(host or delivery.key.default_host)
        if hint is None:
            raise InvalidInput(
                f"Say with `?host=` which host the bill is of. {NO_HOST}", field="host"
            )
        found = (await hosts_of(delivery, [hint]))[hint]
        if isinstance(found, UnknownHost):
            raise InvalidInput(found.reason, field="host")
        if not bill.packages:
            return bill.outcome
        is_new = await take_bill(
            delivery.session,
            tenant_id=delivery.tenant_id,
            agent_id=found,
            subject=subject or bill.subject,
            packages=bill.packages,
            now=delivery.now,
        )
        if not is_new:
            bill.outcome.unchanged += bill.outcome.accepted
            bill.outcome.accepted = 0
        return bill.outcome

    return await deliver(request, IngestSource.CYCLONEDX, parse=parse_bill, store=store)


async def _take_signals(request: Request) -> Outcome:
    """Store signals of the Trust Score: posture, certificates, backups, AI traces."""
    check_json(request)

    def parse(body: bytes) -> Signals:
        return parse_signals(body, now=utc_now())

    return await deliver(request, IngestSource.SIGNALS, parse=parse, store=store_signals)


async def _take_counts(request: Request) -> Outcome:
    """Store good and total counts of a target, whichever host it is about."""
    check_json(request)

    async def store(delivery: Delivery, counts: Counts) -> Outcome:
        await record_counts(
            delivery.session,
            tenant_id=delivery.tenant_id,
            agent_id=None,
            target=counts.target,
            counts=[Count(one.at, one.good, one.total) for one in counts.counts],
            now=delivery.now,
        )
        return Outcome(accepted=len(counts.counts))

    return await deliver(request, IngestSource.SERVICE_LEVELS, parse=_parse_counts, store=store)


def _parse_counts(body: bytes) -> Counts:
    payload = parsed_json(body)
    try:
        return _COUNTS.validate_python(payload)
    except ValidationError as error:
        field, reason = first_problem(error)
        raise InvalidInput(reason, field=field) from error
