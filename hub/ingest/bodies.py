"""Bodies of reports: bounded on the wire and unpacked, and JSON or refused, before anything else.

A signature covers the bytes on the wire, so those are kept beside what they hold.
"""

import zlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, override

import orjson
from fastapi import Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect
from starlette.types import Receive

from hub.errors import InvalidInput
from hub.faults import problem
from hub.ingest.unread import Arriving

# A full inventory of 20,000 packages fits; settings bound the bodies that people send.
MAX_REPORT_BYTES = 4 * 1_048_576
_GZIP = 31  # zlib's word for: a gzip header and trailer, the largest window


class TooLarge(Exception):  # noqa: N818 - reads as what it says
    """The body is larger than a report may be, as it came or unpacked."""

    def answer(self) -> JSONResponse:
        """Return the refusal. The rest was not read, so the connection cannot be used again."""
        return problem(
            413,
            "TOO_LARGE",
            f"A report may have {MAX_REPORT_BYTES} bytes, unpacked. Leave out `packages` when they"
            " have not changed, and send many events in several reports.",
            Connection="close",
        )


async def read_wire(
    receive: Receive, headers: Mapping[str, str], *, max_bytes: int = MAX_REPORT_BYTES
) -> bytes:
    """Return the body as it came; raise TooLarge as soon as it is known to be."""
    declared = headers.get("content-length", "")
    if declared.isdecimal() and int(declared[:20]) > max_bytes:
        raise TooLarge
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > max_bytes:
            raise TooLarge
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)


def unpacked(wire: bytes, headers: Mapping[str, str]) -> bytes:
    """Return what the body holds, whatever it was packed with; never more than a report may be."""
    encoding = headers.get("content-encoding", "").strip().lower()
    if encoding in {"", "identity"}:
        return wire
    if encoding not in {"gzip", "x-gzip"}:
        raise InvalidInput(
            "Send the body as it is, or with `Content-Encoding: gzip`.", field="Content-Encoding"
        )
    inflating = zlib.decompressobj(wbits=_GZIP)
    try:
        body = inflating.decompress(wire, MAX_REPORT_BYTES + 1)
    except zlib.error as error:
        raise _no_gzip() from error
    if len(body) > MAX_REPORT_BYTES:
        raise TooLarge
    if not inflating.eof or inflating.unused_data:
        raise _no_gzip()
    return body


def parsed(body: bytes) -> Any:
    """Return what the JSON says."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidInput("The body must be one JSON object in UTF-8.", field="body") from error


def _no_gzip() -> InvalidInput:
    return InvalidInput(
        "The body is not one whole gzip stream, as its Content-Encoding says.", field="body"
    )


class _ReportRequest(Request):
    """A request whose body was read within the bound and parsed once."""

    parsed: Any = None

    @override
    async def json(self) -> Any:
        return self.parsed

    async def read(self) -> None:
        """Read and parse the body; `body()` returns it as it came."""
        self._body = await read_wire(self.receive, self.headers)
        if self._body:
            self.parsed = parsed(unpacked(self._body, self.headers))


class ReportRoute(APIRoute):
    """A route that reads its body within bounds: FastAPI itself would read any length."""

    @override
    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
        handle = super().get_route_handler()

        async def bounded(request: Request) -> Response:
            arriving = Arriving(request.receive)
            report = _ReportRequest(request.scope, arriving)
            try:
                await report.read()
            except TooLarge as error:
                await arriving.let_go()
                return error.answer()
            return await handle(report)

        return bounded
