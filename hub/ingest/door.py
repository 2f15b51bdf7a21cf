"""Where hosts knock, every 15 seconds each: two paths, answered with as little as they need.

Plain reports are most of what comes. They land together (`landing`); a report that tells more, or
that did not land, is taken alone (`taking`), by a few at a time so that people keep their share of
the connections.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import orjson
from pydantic import ValidationError
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from hub.clock import utc_now
from hub.errors import HubError, InvalidInput, Unavailable
from hub.faults import refusal
from hub.fleet.commands import MAX_REPORT_AGE
from hub.fleet.landing import PlainReport
from hub.ingest.away import or_unavailable
from hub.ingest.bodies import TooLarge, parsed, read_wire, unpacked
from hub.ingest.gate import Sealed
from hub.ingest.intake import Intake
from hub.ingest.report import Accepted, Heartbeat, Report
from hub.ingest.taking import take_heartbeat, take_report
from hub.ingest.translation import figures_of
from hub.ingest.unread import Arriving

INGEST_PATH, HEARTBEAT_PATH = "/api/v1/ingest", "/api/v1/heartbeat"
MAX_CLOCK_AHEAD = timedelta(minutes=5)
_MAX_PLAIN_BYTES = 65_536  # what waits for its commit is held in memory
_MAX_HEARTBEAT_BYTES = 1_024
_AT_ONCE, _MAX_WAITING = 4, 200
_MORE_THAN_FIGURES = ("packages", "listening", "facts")  # an empty one says something, too
_IDENTITY = ("system", "agent_version")

type Answering = Callable[[Request], Awaitable[Response]]


class AgentDoor:
    """Answers reports and heartbeats; one for the process's life."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0

    def answering(self, path: str) -> Answering:
        """Return what answers a request to this path."""
        answer = {INGEST_PATH: self._ingest, HEARTBEAT_PATH: self._heartbeat}[path]

        async def guarded(request: Request) -> Response:
            arriving = Arriving(request.receive)
            try:
                async with or_unavailable():
                    return await answer(Request(request.scope, arriving))
            except HubError as error:
                refused = refusal(error)
            except TooLarge as error:
                refused = error.answer()
            except ClientDisconnect:
                return Response(status_code=400)  # nobody reads it
            await arriving.let_go()
            return refused

        return guarded

    @property
    def posted(self) -> Mapping[str, ASGIApp]:
        """What answers a POST, by path, without a router in between."""
        return {path: _app(self.answering(path)) for path in (INGEST_PATH, HEARTBEAT_PATH)}

    async def _ingest(self, request: Request) -> Response:
        self._intake.landing.check_room()
        sealed = await self._admitted(request, INGEST_PATH)
        body = unpacked(sealed.wire, request.headers)
        told = parsed(body)
        report = _report_of(told)
        identity = identity_digest(told)
        if _is_plain(told, body) and await self._landed(sealed, report, identity):
            return _json(202, _PLAIN_ACCEPTED)
        async with self._turn():
            accepted = await take_report(self._intake, sealed, report, identity=identity)
        return _json(202, _told(accepted))

    async def _heartbeat(self, request: Request) -> Response:
        sealed = await self._admitted(request, HEARTBEAT_PATH, max_bytes=_MAX_HEARTBEAT_BYTES)
        if not await self._landed(sealed, None, None):
            async with self._turn():
                await take_heartbeat(self._intake.database, sealed)
        return _json(200, _ALIVE)

    async def _admitted(self, request: Request, path: str, **limits: int) -> Sealed:
        async def read() -> bytes:
            return await read_wire(request.receive, request.headers, **limits)

        return await self._intake.gate.admit(request.headers, path=path, read=read)

    async def _landed(self, sealed: Sealed, report: Report | None, identity: str | None) -> bool:
        plain = PlainReport(
            key_digest=sealed.seal.key_digest,
            sequence=sealed.seal.sequence,
            figures=figures_of(report) if report else None,
            identity_digest=identity,
        )
        has_landed = await self._intake.landing.report(sealed.key.tenant_id, plain)
        if not has_landed:
            self._intake.gate.keys.forget(sealed.seal.key_digest)
        return has_landed

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        if self._waiting >= _MAX_WAITING:
            raise Unavailable(
                "More inventories are waiting than the hub can store right now; nothing was stored."
                " Keep the report and send it again."
            )
        self._waiting += 1
        try:
            async with self._turns:
                yield
        finally:
            self._waiting -= 1


def identity_digest(told: Mapping[str, Any]) -> str | None:
    """Return what is the same for two reports that tell the same of their host; None for nothing.

    Of the JSON as it came: what this hub does not know of changes it at most once too often.
    """
    identity = [told.get(name) for name in _IDENTITY]
    if not any(identity):
        return None
    told_bytes = orjson.dumps(identity, option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(told_bytes, digest_size=16).hexdigest()


def _is_plain(told: Mapping[str, Any], body: bytes) -> bool:
    """Tell whether there is nothing in it but figures, and what may be known of the host."""
    return (
        len(body) <= _MAX_PLAIN_BYTES
        and not told.get("events")
        and all(told.get(name) is None for name in _MORE_THAN_FIGURES)
    )


def _report_of(told: object) -> Report:
    """Return the report; name the first field that is wrong, never what stood in it."""
    try:
        report = Report.model_validate(told)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "body"
        raise InvalidInput(f"{first['msg']}.", field=field[:200]) from error
    now = utc_now()
    if report.at > now + MAX_CLOCK_AHEAD:
        raise InvalidInput(
            "`at` is more than 5 minutes ahead; set the host's clock (NTP).", field="at"
        )
    if now - report.at > MAX_REPORT_AGE:
        raise InvalidInput(
            f"`at` is more than {MAX_REPORT_AGE.days} days ago; check the host's clock.", field="at"
        )
    return report


def _app(answer: Answering) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        response = await answer(Request(scope, receive))
        await response(scope, receive, send)

    return app


def _json(status: int, body: bytes) -> Response:
    return Response(body, status, media_type="application/json")


def _told(accepted: Accepted) -> bytes:
    return accepted.model_dump_json(exclude_none=True).encode()


_PLAIN_ACCEPTED = _told(Accepted(packages=0))
_ALIVE = Heartbeat().model_dump_json().encode()
