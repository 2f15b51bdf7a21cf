"""How the agent speaks to the hub: signed requests, a time limit, and what an answer means."""

import errno
import gzip
import http.client
import json
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.message import Message
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any, Protocol
from urllib.parse import SplitResult, urlsplit

from nacl.signing import SigningKey

from hub.agent.version import agent_version
from hub.agent.watch.observed import one_line
from hub.fleet.signatures import (
    LAST_SEQUENCE_HEADER,
    MAX_CLOCK_SKEW,
    TIMESTAMP_HEADER,
    seal_headers,
)

INGEST_PATH = "/api/v1/ingest"
_TIMEOUT_SECONDS = 15  # without a sign of life
_ANSWER_WITHIN_SECONDS = 60.0  # whatever signs there are
_WORTH_PACKING_BYTES = 4096
_MAX_DIGITS = 18
_MAX_ANSWER_BYTES = 1 << 20  # it may name a thousand events that were not taken
_MAX_MESSAGE = 500
# Each success of a hub says one of these. Other things say 200 to everything: the sign-in page of a
# guest network, a proxy's welcome. What they "accept" would be lost.
_SIGNS_OF_A_HUB = frozenset({"status", "agent_id"})
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
    is_foreign: bool = False  # a success, but not of a hub

    @property
    def is_accepted(self) -> bool:
        """Whether the hub has the report durably."""
        return _is_success(self.status) and not self.is_foreign

    @property
    def is_worth_retrying(self) -> bool:
        """Whether the same report may be accepted later."""
        is_fault = self.status in {0, 408, 425, 429} or self.status >= 500  # noqa: PLR2004
        return is_fault or self.is_foreign

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
        parts = _checked(url)
        if parts.scheme == "http" and parts.hostname not in _LOOPBACK and not allow_plain_http:
            raise AgentError(
                "Over http:// what the host reports could be read on the way. Use https://, or pass"
                " --allow-plain-http when the network itself is trusted."
            )
        self._is_tls = parts.scheme == "https"
        self._host = parts.hostname or ""
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
            connection.connect()
            with _bounded(connection.sock):
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


def _checked(url: str) -> SplitResult:
    """Return the parts of a hub's URL; raise AgentError for what cannot be one."""
    try:
        parts = urlsplit(url)
        is_one = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        (parts.hostname or "").encode("idna")
    except ValueError:  # of the port, of brackets, of a name with empty or too long parts
        is_one = False
    is_plain = url.isascii() and url.isprintable() and " " not in url and "@" not in url
    if not is_one or not is_plain:
        raise AgentError("The hub's URL must look like https://api.example.com.")
    return parts


@contextmanager
def _bounded(connection: socket.socket) -> Iterator[None]:
    """End the exchange when it takes too long as a whole: one byte now and then is no answer."""
    is_late = threading.Event()

    def cut_off() -> None:
        is_late.set()
        with suppress(OSError):
            # Not the method of TLS sockets: the other thread still reads through their state.
            socket.socket.shutdown(connection, socket.SHUT_RDWR)

    timer = threading.Timer(_ANSWER_WITHIN_SECONDS, cut_off)
    timer.daemon = True
    timer.start()
    try:
        yield
        if is_late.is_set():
            raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
    finally:
        timer.cancel()


@cache
def _tls() -> ssl.SSLContext:
    """Return the system's trust, read once: reading it takes longer than a whole report."""
    return ssl.create_default_context()


def _answer(status: int, headers: Message, body: bytes, *, now: float) -> Answer:
    content = _json_object(body)
    retry_after = _number(headers.get("Retry-After", ""))
    is_hub = content is not None and not _SIGNS_OF_A_HUB.isdisjoint(content)
    is_foreign = _is_success(status) and not is_hub
    return Answer(
        status=status,
        message=_message(status, content, is_foreign=is_foreign),
        field=_field(content),
        retry_after_seconds=None if retry_after is None else float(retry_after),
        clock_ahead_seconds=_clock_ahead(headers.get("Date", ""), now),
        last_sequence=_number(headers.get(LAST_SEQUENCE_HEADER, "")),
        content=content,
        is_foreign=is_foreign,
    )


def _is_success(status: int) -> bool:
    return 200 <= status < 300  # noqa: PLR2004 - the class of success


def _number(text: str) -> int | None:
    """Return the number that a header names; None when it names none that can be meant."""
    return int(text) if len(text) <= _MAX_DIGITS and text.isascii() and text.isdigit() else None


def _json_object(body: bytes) -> Mapping[str, Any] | None:
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _message(status: int, content: Mapping[str, Any] | None, *, is_foreign: bool) -> str:
    """Return what a refusal says, fit for a terminal; empty for a success."""
    if _is_success(status) and not is_foreign:
        return ""
    error = (content or {}).get("error")
    if is_foreign or not isinstance(error, dict) or "message" not in error:
        return f"The answer ({status}) is not one of a monsys hub."
    field = f" (field {error['field']})" if error.get("field") else ""
    return one_line(f"{error['message']}{field}", _MAX_MESSAGE)


def _field(content: Mapping[str, Any] | None) -> str:
    error = (content or {}).get("error")
    return str(error.get("field", "")) if isinstance(error, dict) else ""


def _clock_ahead(date: str, now: float) -> float | None:
    try:
        return now - parsedate_to_datetime(date).timestamp()
    except (ValueError, OverflowError):
        return None


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or type(error).__name__
