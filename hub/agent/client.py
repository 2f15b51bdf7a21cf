"""How the agent reaches the hub: its own credential, a time limit, retries that back off."""

import http.client
import json
import random
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from hub.agent.report import agent_version

INGEST_PATH = "/api/v1/ingest"
_TIMEOUT_SECONDS = 15
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 60.0
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


class AgentError(Exception):
    """Something that the person who runs the agent has to mend; the message says what."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the hub said: its status, its own words for a refusal, and when to come back."""

    status: int
    message: str = ""
    retry_after_seconds: float | None = None

    @property
    def is_accepted(self) -> bool:
        """Whether the hub has the report durably."""
        return 200 <= self.status < 300  # noqa: PLR2004 - the class of success

    @property
    def is_worth_retrying(self) -> bool:
        """Whether the same report may be accepted later."""
        return self.status in {408, 425, 429} or self.status >= 500  # noqa: PLR2004 - server faults


class HubClient:
    """Sends reports to one hub."""

    def __init__(self, url: str, credential: str, *, allow_plain_http: bool = False) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise AgentError("The hub's URL must look like https://api.example.com.")
        if parts.scheme == "http" and parts.hostname not in _LOOPBACK and not allow_plain_http:
            raise AgentError(
                "Over http:// the credential could be read on the way. Use https://, or pass"
                " --allow-plain-http when the network itself is trusted."
            )
        self._is_tls = parts.scheme == "https"
        self._host = parts.hostname
        self._port = parts.port
        self._path = parts.path.rstrip("/") + INGEST_PATH
        self._headers = {
            "Authorization": f"Bearer {credential}",
            "Content-Type": "application/json",
            "User-Agent": f"monsys-agent/{agent_version()}",
        }

    def send(self, body: bytes) -> Answer:
        """Send once. Raises OSError or HTTPException when no answer came."""
        connection = self._connection()
        try:
            connection.request("POST", self._path, body=body, headers=self._headers)
            response = connection.getresponse()
            return _answer(response.status, response.getheader("Retry-After"), response.read(65536))
        finally:
            connection.close()

    def deliver(self, body: bytes, *, stop: threading.Event, seconds: float) -> Answer:
        """Send until the hub accepts or refuses for good, for at most this long.

        Status 0 stands for a hub that never answered.
        """
        answer = Answer(status=0, message="The hub does not answer.")
        for pause in _pauses(seconds):
            try:
                answer = self.send(body)
            except (OSError, http.client.HTTPException) as error:
                answer = Answer(status=0, message=f"The hub does not answer: {_reason(error)}.")
            if answer.status and not answer.is_worth_retrying:
                break
            if stop.wait(max(pause, answer.retry_after_seconds or 0)):
                break
        return answer

    def _connection(self) -> http.client.HTTPConnection:
        if self._is_tls:
            return http.client.HTTPSConnection(
                self._host,
                self._port,
                timeout=_TIMEOUT_SECONDS,
                context=ssl.create_default_context(),
            )
        return http.client.HTTPConnection(self._host, self._port, timeout=_TIMEOUT_SECONDS)


def _pauses(seconds: float) -> Iterator[float]:
    """Yield pauses that double, with jitter: a fleet must not return in step after an outage."""
    pause, spent = _FIRST_PAUSE_SECONDS, 0.0
    while spent <= seconds:
        jittered = pause * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, hides nothing
        yield jittered
        spent += jittered
        pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)


def _answer(status: int, retry_after: str | None, body: bytes) -> Answer:
    try:
        error = json.loads(body)["error"]
        message = str(error["message"])
        if error.get("field"):
            message = f"{message} (field {error['field']})"
    except (ValueError, KeyError, TypeError):
        message = "" if body == b"" else "The answer is not one of a monsys hub."
    seconds = float(retry_after) if retry_after and retry_after.isdigit() else None
    return Answer(status=status, message=message, retry_after_seconds=seconds)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or type(error).__name__
