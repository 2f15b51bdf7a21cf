"""How the agent speaks to the hub: signed requests, a time limit, and what an answer means."""

import gzip
import http.client
import json
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.message import Message
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any, Protocol
from urllib.parse import urlsplit

from nacl.signing import SigningKey

from hub.agent.version import agent_version
from hub.fleet.signatures import (
    LAST_SEQUENCE_HEADER,
    MAX_CLOCK_SKEW,
    TIMESTAMP_HEADER,
    seal_headers,
)

INGEST_PATH = "/api/v1/ingest"
_TIMEOUT_SECONDS = 15
_WORTH_PACKING_BYTES = 4096
_MAX_ANSWER_BYTES = 65_536
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class AgentError(Exception):
    """Something that the person who runs the agent has to mend; the message says what."""


class Numbers(Protocol):
    """Where the numbers of signed requests come from."""

    def next(self) -> int:
        """Return a number that was never used."""
        ...

    def raise_above(self, used: int) -> bool:
        """Go on above a number that the hub has seen; False when there is nothing to mend."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """What the hub said: its status, its own words for a refusal, and when to come back.

    Status 0 stands for a hub that did not answer.
    """

    status: int
    message: str = ""
    retry_after_seconds: float | None = None
    clock_ahead_seconds: float | None = None  # this machine's clock, against the hub's Date
    last_sequence: int | None = None  # the hub saw this number, and wants a higher one
    field: str = ""  # what the refusal is about
    content: Mapping[str, Any] | None = None

    @property
    def is_accepted(self) -> bool:
        """Whether the hub has the report durably."""
        return 200 <= self.status < 300  # noqa: PLR2004 - the class of success

    @property
    def is_worth_retrying(self) -> bool:
        """Whether the same report may be accepted later."""
        return self.status in {0, 408, 425, 429} or self.status >= 500  # noqa: PLR2004 - faults

    @property
    def is_clock_wrong(self) -> bool:
        """Whether this machine's clock is too far from the hub's for signatures to be believed."""
        # The hub's word goes before our own measure: its Date is only good to the second.
        ahead = abs(self.clock_ahead_seconds or 0.0)
        return self.field == TIMESTAMP_HEADER or ahead > MAX_CLOCK_SKEW.total_seconds()


class HubClient:
    """Sends signed requests to one hub, one at a time."""

    def __init__(
        self,
        url: str,
        key: SigningKey,
        numbers: Numbers,
        *,
        allow_plain_http: bool = False,
        now: Callable[[], float] = time.time,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise AgentError("The hub's URL must look like https://api.example.com.")
        if parts.scheme == "http" and parts.hostname not in _LOOPBACK and not allow_plain_http:
            raise AgentError(
                "Over http:// what the host reports could be read on the way. Use https://, or pass"
                " --allow-plain-http when the network itself is trusted."
            )
        self._is_tls = parts.scheme == "https"
        self._host = parts.hostname
        self._port = parts.port
        self._prefix = parts.path.rstrip("/")
        self._key = key
        self._numbers = numbers
        self._now = now

    def post(self, path: str, body: bytes) -> Answer:
        """Sign and send once; again at once when only the number was too low."""
        answer = self._post(path, body)
        used = answer.last_sequence
        if used is not None and not answer.is_accepted and self._numbers.raise_above(used):
            answer = self._post(path, body)
        return answer

    def _post(self, path: str, body: bytes) -> Answer:
        packing: dict[str, str] = {}
        if len(body) > _WORTH_PACKING_BYTES:
            # What is signed is what goes over the wire.
            body, packing = gzip.compress(body, compresslevel=6), {"Content-Encoding": "gzip"}
        # The path is signed as the hub serves it, without the prefix that a proxy takes away.
        sealed = seal_headers(
            self._key,
            method="POST",
            path=path,
            body=body,
            sequence=self._numbers.next(),
            sent_at=int(self._now()),
        )
        headers = (
            sealed
            | packing
            | {
                "Content-Type": "application/json",
                "User-Agent": f"monsys-agent/{agent_version()}",
            }
        )
        try:
            return self._exchange(self._prefix + path, body, headers)
        except (OSError, http.client.HTTPException) as error:
            return Answer(status=0, message=f"The hub does not answer: {_reason(error)}.")

    def _exchange(self, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        connection = self._connection()
        try:
            connection.request("POST", path, body=body, headers=dict(headers))
            response = connection.getresponse()
            content = response.read(_MAX_ANSWER_BYTES)
            return _answer(response.status, response.headers, content, now=self._now())
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        if self._is_tls:
            return http.client.HTTPSConnection(
                self._host, self._port, timeout=_TIMEOUT_SECONDS, context=_tls()
            )
        return http.client.HTTPConnection(self._host, self._port, timeout=_TIMEOUT_SECONDS)


@cache
def _tls() -> ssl.SSLContext:
    """Return the system's trust, read once: reading it takes longer than a whole report."""
    return ssl.create_default_context()


def _answer(status: int, headers: Message, body: bytes, *, now: float) -> Answer:
    content = _json_object(body)
    retry_after = headers.get("Retry-After", "")
    last_sequence = headers.get(LAST_SEQUENCE_HEADER, "")
    return Answer(
        status=status,
        message=_message(status, content),
        field=_field(content),
        retry_after_seconds=float(retry_after) if retry_after.isdigit() else None,
        clock_ahead_seconds=_clock_ahead(headers.get("Date", ""), now),
        last_sequence=int(last_sequence) if last_sequence[:18].isdigit() else None,
        content=content,
    )


def _json_object(body: bytes) -> Mapping[str, Any] | None:
    try:
        content = json.loads(body)
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


def _message(status: int, content: Mapping[str, Any] | None) -> str:
    if 200 <= status < 300:  # noqa: PLR2004 - the class of success
        return ""
    error = (content or {}).get("error")
    if not isinstance(error, dict) or "message" not in error:
        return f"The answer ({status}) is not one of a monsys hub."
    field = f" (field {error['field']})" if error.get("field") else ""
    return f"{error['message']}{field}"


def _field(content: Mapping[str, Any] | None) -> str:
    error = (content or {}).get("error")
    return str(error.get("field", "")) if isinstance(error, dict) else ""


def _clock_ahead(date: str, now: float) -> float | None:
    try:
        return now - parsedate_to_datetime(date).timestamp()
    except ValueError:
        return None


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or type(error).__name__
