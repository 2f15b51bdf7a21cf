"""Who this agent is: the machine, its key, and the hub it belongs to."""

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from nacl.signing import SigningKey

from hub.agent.client import AgentError
from hub.agent.files import write_whole

IDENTITY_FILE = "identity.json"
OWN_MACHINE_ID_FILE = "machine-id"
_FORM = "monsys-agent-1"
_SALT = b"monsys machine digest v1\n"
_MACHINE_IDS = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))
_MACHINE_ID_CHARACTERS = 32
_NOT_ENROLLED = (
    "This machine is not enrolled. Make a token on the hub with `monsys agent token`, then run"
    " `monsys agent enroll --url https://… --token met_…` here."
)


@dataclass(frozen=True, slots=True)
class Identity:
    """What enrolment left on this machine: one file, so that no half of it is ever there."""

    url: str
    key: SigningKey
    agent_id: str
    name: str
    chosen_name: str | None
    interval_seconds: float
    allows_plain_http: bool = False

    def at(self, url: str) -> "Identity":
        """Return the same identity with a hub that is reached elsewhere now."""
        return replace(self, url=url)


def read_identity(folder: Path) -> Identity:
    """Return this machine's identity; raise AgentError that says how to get one."""
    path = folder / IDENTITY_FILE
    try:
        return _identity(json.loads(path.read_bytes()))
    except FileNotFoundError as error:
        raise AgentError(_NOT_ENROLLED) from error
    except PermissionError as error:
        raise AgentError(
            f"Cannot read {path}: it belongs to the agent's user. Run this as root."
        ) from error
    except (OSError, ValueError, KeyError, TypeError, binascii.Error) as error:
        raise AgentError(
            f"The file {path} is damaged. Enrol this machine again: it stays the same server."
        ) from error


def write_identity(folder: Path, identity: Identity) -> None:
    """Store the identity; only the agent's user can read it."""
    content = {
        "form": _FORM,
        "url": identity.url,
        "private_key": base64.b64encode(identity.key.encode()).decode(),
        "agent_id": identity.agent_id,
        "name": identity.name,
        "chosen_name": identity.chosen_name,
        "interval_seconds": identity.interval_seconds,
        "allows_plain_http": identity.allows_plain_http,
    }
    write_whole(folder / IDENTITY_FILE, json.dumps(content, indent=2).encode() + b"\n")


def machine_digest(folder: Path) -> str:
    """Return what this machine is known by: it survives renaming, and tells nothing else.

    systemd asks that the machine's id itself never leaves the machine (machine-id(5)), so it is
    hashed with a salt of ours. A machine without one, such as a container, gets one of its own.
    """
    for path in _MACHINE_IDS:
        try:
            machine_id = path.read_text("ascii").strip()
        except (OSError, UnicodeDecodeError):
            continue
        if len(machine_id) == _MACHINE_ID_CHARACTERS:
            return hashlib.sha256(_SALT + machine_id.encode()).hexdigest()
    return hashlib.sha256(_SALT + _own_machine_id(folder)).hexdigest()


def _own_machine_id(folder: Path) -> bytes:
    path = folder / OWN_MACHINE_ID_FILE
    try:
        return path.read_bytes().strip()
    except FileNotFoundError:
        made = uuid4().hex.encode()
        write_whole(path, made + b"\n")
        return made


def _identity(content: dict[str, Any]) -> Identity:
    if content["form"] != _FORM:
        raise ValueError(content["form"])
    return Identity(
        url=str(content["url"]),
        key=SigningKey(base64.b64decode(content["private_key"], validate=True)),
        agent_id=str(content["agent_id"]),
        name=str(content["name"]),
        chosen_name=content["chosen_name"],
        interval_seconds=float(content["interval_seconds"]),
        allows_plain_http=bool(content["allows_plain_http"]),
    )
