"""Enrolling this machine, and taking it back."""

import base64
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nacl.signing import SigningKey

from hub.agent.client import AgentError, Answer, HubClient
from hub.agent.files import make_state_folder
from hub.agent.identity import Identity, machine_digest, read_identity, write_identity
from hub.agent.load import encoded
from hub.agent.runner import SEQUENCE_FILE, client_of
from hub.agent.sequence import Sequence
from hub.agent.version import agent_version

ENROL_PATH = "/api/v1/agents/enroll"
RETIRE_PATH = "/api/v1/agents/retire"
_ATTEMPTS = 4
_PAUSE_SECONDS = 1.0
_SHORTEST_INTERVAL, _LONGEST_INTERVAL = 1.0, 3600.0  # seconds


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What came of it."""

    identity: Identity
    is_new: bool
    hub_version: str


def enrol(
    folder: Path, url: str, token: str, *, name: str | None = None, allow_plain_http: bool = False
) -> Enrolled:
    """Make a key, have the hub pin it, and keep it. A machine that is enrolled gets a new key."""
    make_state_folder(folder)
    chosen_name = name or _chosen_before(folder, url)
    key = SigningKey.generate()
    client = HubClient(
        url, key, Sequence(folder / SEQUENCE_FILE), allow_plain_http=allow_plain_http
    )
    body = encoded(
        {
            "token": token,
            "public_key": base64.b64encode(key.verify_key.encode()).decode(),
            "host_name": socket.gethostname(),
            "name": chosen_name,
            "machine_digest": machine_digest(folder),
            "agent_version": agent_version(),
        }
    )
    answer = _ask(client, body)
    enrolled = _enrolled(
        answer.content or {},
        Identity(
            url=url,
            key=key,
            agent_id="",
            name="",
            chosen_name=chosen_name,
            interval_seconds=0.0,
            allows_plain_http=allow_plain_http,
        ),
    )
    write_identity(folder, enrolled.identity)
    return enrolled


def retire(folder: Path) -> Answer:
    """Ask the hub to trust this machine's key no more."""
    return client_of(folder, read_identity(folder)).post(RETIRE_PATH, b"{}")


def _enrolled(told: Mapping[str, Any], wanted: Identity) -> Enrolled:
    """Return what the hub made of this machine; raise AgentError when it says nothing like it."""
    try:
        identity = replace(
            wanted,
            agent_id=str(told["agent_id"]),
            name=str(told["name"]),
            interval_seconds=float(told["interval_seconds"]),
        )
        enrolled = Enrolled(identity, bool(told["is_new"]), str(told["hub_version"]))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise _no_hub() from error
    if not _SHORTEST_INTERVAL <= identity.interval_seconds <= _LONGEST_INTERVAL:
        raise _no_hub()
    return enrolled


def _no_hub() -> AgentError:
    return AgentError("The address is not that of a monsys hub; check --url.")


def _ask(client: HubClient, body: bytes) -> Answer:
    """Send the request until there is an answer.

    Sent again it is the same request of the same key: when only the answer was lost, the hub
    recognises the machine that used the token.
    """
    answer = client.post(ENROL_PATH, body)
    for attempt in range(1, _ATTEMPTS):
        if not answer.is_worth_retrying:
            break
        time.sleep(max(_PAUSE_SECONDS * attempt, min(answer.retry_after_seconds or 0, 60)))
        answer = client.post(ENROL_PATH, body)
    if answer.is_clock_wrong:
        minutes = abs(answer.clock_ahead_seconds or 0) / 60
        raise AgentError(
            f"This machine's clock is {minutes:.0f} minutes off the hub's. Set it"
            " (`timedatectl set-ntp true`) and enrol again."
        )
    if not answer.is_accepted:
        raise AgentError(f"The machine was not enrolled. {answer.message}")
    return answer


def _chosen_before(folder: Path, url: str) -> str | None:
    """Return the name that a person chose at an earlier enrolment with the same hub."""
    try:
        before = read_identity(folder)
    except AgentError:
        return None
    return before.chosen_name if before.url == url else None
