"""A shell whose input is a connection, or a command line that makes one."""

import re

from hub.detections.events import EventKind, SecurityEvent
from hub.detections.models import RuleKind
from hub.detections.rule import Guidance, Rule, RuleSettings, Seen, Sighting
from hub.detections.rules.addresses import is_of_this_host
from hub.detections.rules.programs import are_in_order
from hub.severity import Severity

_SHELL = r"(?:/\S*/)?(?:ba|da|z|k|a|c|tc)?sh\b"
_FLAGS = re.IGNORECASE
# What a command line that connects a shell holds, in this order.
_WAYS = tuple(
    tuple(re.compile(piece, _FLAGS) for piece in pieces)
    for pieces in (
        (r"/dev/(?:tcp|udp)/[\w.:-]+/\d+",),  # bash's own
        (r"\b(?:nc|ncat|netcat)\b", rf"\s-(?:\w*[ec]|-exec|-sh-exec)\s+{_SHELL}"),
        (r"\bsocat\b", rf"\bexec:[\"']?{_SHELL}"),
        (r"\bmkfifo\b", r"\|\s*(?:nc|ncat|netcat|telnet|openssl)\b"),
        (r"\bimport\b", r"\bsocket\b", r"\b(?:dup2|pty\.spawn)\b"),  # Python
        (r"\bfsockopen\b", r"\bexec\b"),  # PHP
        (r"\bTCPSocket\b", r"\bexec\b"),  # Ruby
        (r"\bSocket\b", r"\bINET\b", r"\bexec\b"),  # Perl
    )
)


def _sight(event: SecurityEvent, _settings: RuleSettings) -> Sighting | None:
    is_shell = event.kind is EventKind.SHELL_ON_SOCKET
    if is_shell and event.source_address and is_of_this_host(event.source_address):
        return None  # a program that talks to its own shell
    if not is_shell and not _connects_a_shell(event.command or ""):
        return None
    process = event.process or "shell"
    subject = event.source_address or process
    return Sighting(subject, user=event.user, address=event.source_address, process=process)


def _connects_a_shell(command: str) -> bool:
    return any(are_in_order(command, pieces) for pieces in _WAYS)


def _title(seen: Seen) -> str:
    return (
        f"A shell is connected to {seen.address}"
        if seen.address
        else f"Reverse shell: {seen.subject}"
    )


RULE = Rule(
    kind=RuleKind.REVERSE_SHELL,
    guidance=Guidance(
        "Reverse shell",
        ("T1059",),
        Severity.CRITICAL,
        (
            "Find the process, its parent and its connection: `ss -tnp`, `pstree -ps PID`.",
            "See which service started it; that one is probably the way in.",
            "Look for the same remote address on other hosts.",
            "Keep memory and logs before the host is touched.",
        ),
    ),
    meaning=("Somebody elsewhere types into a shell of this host."),
    reads=frozenset({EventKind.SHELL_ON_SOCKET, EventKind.PROCESS_STARTED}),
    settings=RuleSettings,
    sight=_sight,
    title=_title,
)
