"""What arrives at `POST /graphql`: who may send it, and what of it is well-formed.

GraphQL over HTTP leaves the door to the server: this one takes only what a page of ours sends, so
that another site's form or script cannot act with a person's cookie.
"""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import orjson
from starlette.requests import Request

from oauth.sessions import is_same_site

JSON = "application/json"


class Refusal(Exception):  # noqa: N818 - reads as what it is
    """The request is answered without executing anything."""

    def __init__(
        self,
        status: HTTPStatus,
        code: str,
        message: str,
        *,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers or {}


@dataclass(frozen=True, slots=True)
class GraphQLRequest:
    """The parameters of a request: a document or the id of a persisted one, never both."""

    query: str | None
    document_id: str | None
    operation_name: str | None
    variables: dict[str, Any]


def check_method(request: Request) -> None:
    """Refuse everything but POST: a GET that reads with a cookie is a GET that others can send."""
    if request.method != "POST":
        raise Refusal(
            HTTPStatus.METHOD_NOT_ALLOWED,
            "METHOD_NOT_ALLOWED",
            "Send a POST request with a JSON body.",
            headers={"Allow": "POST"},
        )


def check_site(request: Request) -> None:
    """Refuse what a page of another site sent; clients that are no browser pass."""
    if not is_same_site(request):
        raise Refusal(
            HTTPStatus.FORBIDDEN,
            "CROSS_SITE",
            "Requests from pages of another origin are not answered.",
        )


def check_content_type(request: Request) -> None:
    """Refuse bodies that are not JSON in UTF-8: HTML forms cannot send `application/json`."""
    media_type, _, parameters = request.headers.get("content-type", "").partition(";")
    charset = _parameter(parameters, "charset") or "utf-8"
    if media_type.strip().lower() != JSON or charset.lower() not in {"utf-8", "utf8"}:
        raise Refusal(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "UNSUPPORTED_MEDIA_TYPE",
            f"Send the body as {JSON} in UTF-8.",
            headers={"Accept": JSON, "Accept-Post": JSON},
        )


def _parameter(parameters: str, name: str) -> str | None:
    for parameter in parameters.split(";"):
        key, _, value = parameter.partition("=")
        if key.strip().lower() == name:
            return value.strip().strip('"')
    return None


async def read_body(request: Request, *, max_bytes: int) -> bytes:
    """Return the body; one that is too large is refused without being read to its end."""
    too_large = Refusal(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "REQUEST_TOO_LARGE",
        f"The body may have at most {max_bytes:,} bytes.",
    )
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > max_bytes:
        raise too_large
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise too_large
    return bytes(body)


def parameters_of(body: bytes) -> GraphQLRequest:
    """Return the request's parameters; every one that is malformed is refused by its name."""
    try:
        parameters = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise _bad("The body must be JSON in UTF-8.") from error
    if not isinstance(parameters, dict):
        raise _bad("The body must be a JSON object; batches are not offered.")
    _of_type(parameters, "extensions", dict, "a map")  # well-formed, and none is known
    query = _of_type(parameters, "query", str, "a string")
    document_id = _of_type(parameters, "documentId", str, "a string")
    if (query is None) == (document_id is None):
        raise _bad("Give either `documentId`, or `query` if you may explore the schema.")
    return GraphQLRequest(
        query=query,
        document_id=document_id,
        operation_name=_of_type(parameters, "operationName", str, "a string"),
        variables=_of_type(parameters, "variables", dict, "a map") or {},
    )


def _of_type[Kind](
    parameters: dict[str, Any], name: str, kind: type[Kind], called: str
) -> Kind | None:
    value = parameters.get(name)
    if value is not None and not isinstance(value, kind):
        raise _bad(f"`{name}` must be {called}.")
    return value


def _bad(message: str) -> Refusal:
    return Refusal(HTTPStatus.BAD_REQUEST, "BAD_REQUEST", message)
