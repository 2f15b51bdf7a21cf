"""Which sign-ins came in over SSH, and what one address did is about that address."""

from hub.detections.events import SecurityEvent
from hub.detections.rule import Sighting

# OpenSSH 9.8 writes its lines as sshd-session, and since 10.0 as sshd-auth too.
_SERVERS = frozenset({"sshd", "sshd-auth", "sshd-session", "dropbear", "tinysshd"})
# Rules of Wazuh that have counted: so many failures in so many seconds, and then a success.
_MANY_FAILURES = frozenset({"5551", "5712", "5720", "5763", "40111"})
_FAILURES_AND_SUCCESS = "40112"


def sign_in_sighting(event: SecurityEvent, *, user: str | None, is_enough: bool) -> Sighting | None:
    """Return what a sign-in, refused or not, is to a rule about the addresses they come from."""
    address = event.source_address
    if not address or not is_about_ssh(event):
        return None
    return Sighting(address, user=user, address=address, process=event.process, is_enough=is_enough)


def is_about_ssh(event: SecurityEvent) -> bool:
    """Tell whether the event is of an SSH server; one whose program is unknown is taken for it."""
    if is_sum_of_failures(event) or is_success_after_failures(event):
        return True
    return event.process is None or event.process.rpartition("/")[2] in _SERVERS


def is_sum_of_failures(event: SecurityEvent) -> bool:
    """Tell whether somebody else had counted the failures, and found them too many."""
    return _rule_of_wazuh(event) in _MANY_FAILURES


def is_success_after_failures(event: SecurityEvent) -> bool:
    """Tell whether somebody else had seen the failures before this success."""
    return _rule_of_wazuh(event) == _FAILURES_AND_SUCCESS


def _rule_of_wazuh(event: SecurityEvent) -> str | None:
    return event.details.get("rule") if event.details.get("source") == "wazuh" else None
