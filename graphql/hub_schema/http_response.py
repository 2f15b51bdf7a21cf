"""How a result leaves: the media type that the client accepts, and the status which that demands.

GraphQL over HTTP, "Response": under `application/graphql-response+json` the status tells whether
the document ran; under the legacy `application/json` a well-formed request is answered with 200.
"""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

import orjson
from graphql import ExecutionResult, GraphQLError, GraphQLFormattedError
from starlette.requests import Request
from starlette.responses import Response
from strawberry.utils.str_converters import to_camel_case

from hub_schema.http_request import JSON, Refusal

GRAPHQL_RESPONSE = "application/graphql-response+json"
_OFFERED = (JSON, GRAPHQL_RESPONSE)  # the first wins a tie: the watershed of the specification
_NO_STORE = {"Cache-Control": "no-store", "Vary": "Accept"}


def response_type(request: Request) -> str:
    """Return the media type for the answer: what the client likes best of what we offer."""
    ranges = list(_media_ranges(",".join(request.headers.getlist("accept")) or "*/*"))
    weights = {offer: _weight(offer, ranges) for offer in _OFFERED}
    best = max(_OFFERED, key=lambda offer: weights[offer])
    if weights[best] <= 0:
        raise Refusal(
            HTTPStatus.NOT_ACCEPTABLE,
            "NOT_ACCEPTABLE",
            f"Answers are {GRAPHQL_RESPONSE} or {JSON}.",
        )
    return best


def _media_ranges(accept: str) -> Iterator[tuple[str, float]]:
    for element in accept.split(","):
        media_range, *parameters = (part.strip().lower() for part in element.split(";"))
        quality = 1.0
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name == "q":
                quality = _quality(value)
        if media_range:
            yield media_range, quality


def _quality(value: str) -> float:
    try:
        return min(max(float(value), 0.0), 1.0)
    except ValueError:
        return 0.0


def _weight(offer: str, ranges: list[tuple[str, float]]) -> float:
    """Return the quality of the most specific range that covers the offer (RFC 9110, 12.5.1)."""
    by_range = dict(ranges)
    for media_range in (offer, f"{offer.partition('/')[0]}/*", "*/*"):
        if media_range in by_range:
            return by_range[media_range]
    return 0.0


def is_request_error(result: ExecutionResult) -> bool:
    """Tell whether nothing was executed: only errors of fields have a path."""
    return result.data is None and all(error.path is None for error in result.errors or ())


def result_response(result: ExecutionResult, media_type: str) -> Response:
    """Return the answer to a well-formed request."""
    errors = [formatted(error) for error in result.errors or ()]
    if is_request_error(result):
        # `data` must not be there: the specification tells "not run" from "ran into null" by it.
        status = HTTPStatus.OK if media_type == JSON else HTTPStatus.BAD_REQUEST
        return _response(status, {"errors": errors}, media_type)
    content = {"data": result.data, "errors": errors} if errors else {"data": result.data}
    return _response(HTTPStatus.OK, content, media_type)


def formatted(error: GraphQLError) -> GraphQLFormattedError:
    """Return the error with its field as clients of GraphQL write it: the domain says agent_id."""
    plain = error.formatted
    extensions = plain.get("extensions") or {}
    field = extensions.get("field")
    if not isinstance(field, str) or "_" not in field:
        return plain
    name = to_camel_case(field)
    message = plain["message"].replace(f"`{field}`", f"`{name}`")
    return {**plain, "message": message, "extensions": {**extensions, "field": name}}


def refusal_response(refusal: Refusal, media_type: str = JSON) -> Response:
    """Return the answer to a request that was not executed."""
    error: GraphQLFormattedError = {
        "message": refusal.message,
        "extensions": {"code": refusal.code},
    }
    return _response(refusal.status, {"errors": [error]}, media_type, refusal.headers)


def _response(
    status: HTTPStatus,
    content: Mapping[str, Any],
    media_type: str,
    headers: Mapping[str, str] | None = None,
) -> Response:
    return Response(
        orjson.dumps(content, default=str),
        status_code=status,
        headers={**_NO_STORE, **(headers or {})},
        media_type=f"{media_type}; charset=utf-8",
    )
