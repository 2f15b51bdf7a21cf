"""Bodies of reports: bounded, and JSON or refused, before anything else is done with them."""

from collections.abc import Awaitable, Callable
from typing import Any, override

import orjson
from fastapi import Request, Response
from fastapi.routing import APIRoute

from hub.errors import InvalidInput
from hub.faults import problem

# A full inventory of 20,000 packages fits; settings bound the bodies that people send.
MAX_REPORT_BYTES = 4 * 1_048_576


class _TooLarge(Exception):  # noqa: N818 - reads as what it says
    """The body is larger than a report may be."""


class _ReportRequest(Request):
    """A request whose body was read within the bound and parsed once."""

    parsed: Any = None

    @override
    async def json(self) -> Any:
        return self.parsed

    async def read(self) -> None:
        """Read and parse the body."""
        body = await self._bounded_body()
        self._body = body
        if not body:
            return
        try:
            self.parsed = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise InvalidInput(
                "The body must be one JSON object in UTF-8.", field="body"
            ) from error

    async def _bounded_body(self) -> bytes:
        declared = self.headers.get("content-length", "")
        if declared.isdigit() and int(declared) > MAX_REPORT_BYTES:
            raise _TooLarge
        body = bytearray()
        async for chunk in self.stream():
            body += chunk
            if len(body) > MAX_REPORT_BYTES:
                raise _TooLarge
        return bytes(body)


class ReportRoute(APIRoute):
    """A route that reads its body within bounds: FastAPI itself would read any length."""

    @override
    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:  # type: ignore[override]
        handle = super().get_route_handler()

        async def bounded(request: Request) -> Response:
            report = _ReportRequest(request.scope, request.receive)
            try:
                await report.read()
            except _TooLarge:
                # The rest of the body was not read, so the connection cannot be used again.
                return problem(
                    413,
                    "TOO_LARGE",
                    f"A report may have {MAX_REPORT_BYTES} bytes. Leave out `packages` when they"
                    " have not changed.",
                    Connection="close",
                )
            return await handle(report)

        return bounded
