"""A program that mines cryptocurrency, by name, command line or pool."""

import re

from hub.detections.events import EventKind, SecurityEvent
from hub.detections.models import RuleKind
from hub.detections.rule import Guidance, Rule, RuleSettings, Seen, Sighting
from hub.severity import Severity

_MINERS = frozenset(
    {
        "bfgminer",
        "cgminer",
        "claymore",
        "cpuminer",
        "ethminer",
        "gminer",
        "kdevtmpfsi",
        "kinsing",
        "lolminer",
        "minerd",
        "nanominer",
        "nbminer",
        "phoenixminer",
        "rhminer",
        "srbminer",
        "t-rex",
        "teamredminer",
        "xmr-stak",
        "xmrig",
        "xmrigcc",
    }
)
_COMMAND = re.compile(
    r"stratum[12]?\+(?:tcp|udp|ssl|tls)://"
    r"|--(?:donate-level|nicehash|randomx-\w+|cpu-max-threads-hint|coin[= ]monero)"
    r"|\b(?:pool|xmr|eth|rx|randomx)\.(?:minexmr|supportxmr|nanopool|hashvault|moneroocean)\.\w+"
    r"|\b(?:minexmr|supportxmr|nanopool|hashvault|moneroocean|nicehash|2miners|f2pool)\.\w+:\d+",
    re.IGNORECASE,
)
# Ports that pools use and little else does; 3333 and 8080 are everybody's.
_POOL_PORTS = frozenset({14433, 14444, 45560, 45700})


def _sight(event: SecurityEvent, _settings: RuleSettings) -> Sighting | None:
    process = _program(event)
    is_miner = (
        process.lower() in _MINERS
        or _COMMAND.search(event.command or "")
        or "miner" in event.details.get("rule", "").lower()  # what Falco found
    )
    is_pool = event.kind is EventKind.OUTBOUND_CONNECTION and (
        event.port in _POOL_PORTS or _COMMAND.search(event.details.get("host", ""))
    )
    if not is_miner and not is_pool:
        return None
    severity = None if is_miner else Severity.HIGH  # a port alone is a guess
    return Sighting(
        process, severity, user=event.user, address=event.source_address, process=process
    )


def _program(event: SecurityEvent) -> str:
    name = event.process or (event.path or "").removesuffix(" (deleted)")
    return name.rpartition("/")[2] or "unknown"


def _title(seen: Seen) -> str:
    return f"{seen.subject} mines cryptocurrency"


RULE = Rule(
    kind=RuleKind.CRYPTOMINER,
    guidance=Guidance(
        "Cryptocurrency miner",
        ("T1496.001",),
        Severity.CRITICAL,
        (
            "Find the process and its parent: `ps -eo pid,ppid,user,pcpu,lstart,cmd --sort=-pcpu`.",
            "See where it connects: `ss -tnp`.",
            "Look for what starts it again: cron, systemd units, shell profiles.",
            "Ask how it came in: exposed services, leaked credentials, a vulnerable application.",
        ),
    ),
    meaning=(
        "Somebody uses the host's processors for their own gain, and found a way in to do so."
    ),
    reads=frozenset({EventKind.PROCESS_STARTED, EventKind.OUTBOUND_CONNECTION}),
    settings=RuleSettings,
    sight=_sight,
    title=_title,
)
