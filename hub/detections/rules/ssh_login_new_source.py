"""An account signed in over SSH from an address it never came from before."""

from dataclasses import dataclass

from hub.detections.events import EventKind, SecurityEvent
from hub.detections.models import RuleKind
from hub.detections.rule import (
    DAY,
    Guidance,
    Rule,
    RuleSettings,
    Seen,
    Sighting,
    learning,
    window,
)
from hub.detections.rules.addresses import is_of_this_host
from hub.detections.rules.ssh import is_about_ssh
from hub.severity import Severity


@dataclass(frozen=True, slots=True)
class Settings(RuleSettings):
    """Numbers of this rule. A week shows from where the people of a host usually come."""

    window_seconds: int = window(DAY)
    learning_hours: int = learning(7 * 24)


def _sight(event: SecurityEvent, _settings: Settings) -> Sighting | None:
    address = event.source_address
    if not address or not event.user or not is_about_ssh(event) or is_of_this_host(address):
        return None
    return Sighting(
        f"{event.user} from {address}",
        user=event.user,
        address=address,
        process=event.process,
        only_if_new=True,
    )


def _title(seen: Seen) -> str:
    return f"First SSH sign-in of {seen.subject}"


RULE = Rule(
    kind=RuleKind.SSH_LOGIN_NEW_SOURCE,
    guidance=Guidance(
        "SSH sign-in from a new address",
        ("T1078", "T1021.004"),
        Severity.LOW,
        (
            "Ask the account's owner whether they signed in from there.",
            "See to whom the address belongs: a known office, VPN or provider?",
            "Check which key or password was used: `journalctl -u ssh | grep Accepted`.",
        ),
    ),
    meaning=(
        "The account had never signed in to this host from this address. Usually a person who"
        " travels; sometimes somebody else with their password or key."
    ),
    reads=frozenset({EventKind.AUTH_SUCCESS}),
    settings=Settings,
    sight=_sight,
    title=_title,
)
