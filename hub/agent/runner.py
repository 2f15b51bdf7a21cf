"""The agent's life: report, wait, report again, until it is told to stop."""

import threading
import time
from pathlib import Path

import structlog

from hub.agent.client import AgentError, Answer, HubClient
from hub.agent.report import Reporter, encode

CREDENTIAL_PREFIX = "mak_"
_WARM_UP_SECONDS = 1.0
_ONCE_SECONDS = 20.0
# The same inventory would be refused again, and every report with it.
_REFUSED_FOR_GOOD = frozenset({413, 422})
_log = structlog.get_logger(__name__)


def read_credential(path: Path) -> str:
    """Return the credential in this file; raise AgentError when there is none to read."""
    try:
        credential = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise AgentError(
            f"Cannot read the credential file {path}. Make one with `monsys agent token NAME`."
        ) from error
    if not credential.startswith(CREDENTIAL_PREFIX) or not credential.isascii():
        raise AgentError(
            f"The file {path} holds no agent credential; it starts with `{CREDENTIAL_PREFIX}`."
        )
    return credential


def report_once(client: HubClient) -> Answer:
    """Send one report, with the inventory. Takes a second: rates need two readings."""
    reporter = Reporter()
    time.sleep(_WARM_UP_SECONDS)
    return client.deliver(encode(reporter.report()), stop=threading.Event(), seconds=_ONCE_SECONDS)


def run(client: HubClient, *, interval_seconds: float, stop: threading.Event) -> None:
    """Report every interval until `stop` is set.

    A report that does not arrive in its interval is dropped: the next one says more.
    """
    reporter = Reporter()
    stop.wait(_WARM_UP_SECONDS)
    while not stop.is_set():
        started = time.monotonic()
        body = encode(reporter.report())
        answer = client.deliver(body, stop=stop, seconds=interval_seconds)
        if answer.is_accepted:
            _log.debug("reported", bytes=len(body))
        elif not stop.is_set():
            if answer.status not in _REFUSED_FOR_GOOD:
                reporter.forget_inventory()
            _log.warning("report_failed", status=answer.status, reason=answer.message)
        stop.wait(max(0.0, interval_seconds - (time.monotonic() - started)))
