"""HTTP requests in Authlib's terms: read whole and bounded, before the synchronous core runs."""

import base64
import binascii
from collections import defaultdict
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl

import orjson
from authlib.oauth2 import OAuth2Request
from authlib.oauth2.rfc6749 import InvalidRequestError, JsonPayload, JsonRequest, OAuth2Payload
from fastapi import Request

from oauth.errors import BodyTooLargeError

_MAX_PARAMETERS = 60
# Whether the public side is https is decided and checked in Settings. Behind a proxy that ends TLS
# the request itself always says http, which Authlib would refuse.
_PUBLIC_URL = "https://authorization.invalid/"

type Pairs = list[tuple[str, str]]


class Parameters(OAuth2Payload):
    """Parameters in the order they came; the first of a name is its value."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._lists: defaultdict[str, list[str]] = defaultdict(list)
        for name, value in pairs:
            self._lists[name].append(value)
        self._first = {name: values[0] for name, values in self._lists.items()}

    @property
    def data(self) -> dict[str, str]:
        """The first value of each parameter."""
        return self._first

    @property
    def datalist(self) -> defaultdict[str, list[str]]:
        """All values of each parameter."""
        return self._lists


class EndpointRequest(OAuth2Request):
    """A request to the authorization, token or revocation endpoint."""

    def __init__(self, request: Request, pairs: Pairs) -> None:
        super().__init__(request.method, _PUBLIC_URL, headers=_readable_headers(request))
        self.payload = Parameters(pairs)

    @property
    def form(self) -> dict[str, str]:
        """Parameters of the body."""
        return self.payload.data

    @property
    def args(self) -> dict[str, str]:
        """Parameters of the query."""
        return self.payload.data


class _Json(JsonPayload):
    def __init__(self, data: dict[str, Any]) -> None:
        self._data = data

    @property
    def data(self) -> dict[str, Any]:
        return self._data


class MetadataRequest(JsonRequest):
    """A request to the registration endpoint."""

    def __init__(self, request: Request, data: dict[str, Any]) -> None:
        super().__init__(request.method, _PUBLIC_URL)
        self.payload = _Json(data)


def query_pairs(request: Request) -> Pairs:
    """Return the parameters of the query."""
    return _pairs(request.url.query)


async def form_pairs(request: Request, *, limit: int) -> Pairs:
    """Return the parameters of a form; an OAuth error when it is none or too long."""
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/x-www-form-urlencoded":
        raise InvalidRequestError("Send the parameters as application/x-www-form-urlencoded.")
    body = await _read_body(request, limit=limit)
    return _pairs(body.decode("utf-8", errors="replace"))


async def json_object(request: Request, *, limit: int) -> dict[str, Any]:
    """Return the JSON object in the body; an OAuth error when there is none."""
    body = await _read_body(request, limit=limit)
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError:
        data = None
    if not isinstance(data, dict):
        raise InvalidRequestError("Send a JSON object.")
    return data


async def _read_body(request: Request, *, limit: int) -> bytes:
    """Return the body, reading no more than the limit whatever its header promises."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise BodyTooLargeError
    return bytes(body)


def _pairs(text: str) -> Pairs:
    """Return the parameters; those without a value count as omitted (RFC 6749 §3.1)."""
    try:
        return parse_qsl(text, max_num_fields=_MAX_PARAMETERS)
    except ValueError as error:
        raise InvalidRequestError("Too many parameters.") from error


def _readable_headers(request: Request) -> dict[str, str]:
    """Return the one header Authlib reads, left out where Authlib would fail to decode it."""
    authorization = request.headers.get("authorization", "")
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() != "basic":
        return {}
    try:
        base64.b64decode(credentials).decode()
    except (binascii.Error, ValueError):
        return {}
    return {"Authorization": authorization}
