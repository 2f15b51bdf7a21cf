"""The words for webhooks and their deliveries."""

from hub.alerts.webhooks.models import DeliveryState, WebhookEvent
from hub.severity import Severity

NOTES = {
    "tested": "A test is on its way. Load this page again in a moment to see how it went.",
    "enabled": "The webhook is on. It is told of what happens from now on.",
    "disabled": "The webhook is off. What waited for it is cancelled.",
    "deleted": "The webhook and its deliveries are deleted.",
    "resent": "The notification is on its way again.",
}
SAID = {
    "`name` must": "Name: 1 to 100 printable characters.",
    "`name` may": "Name: at most 100 characters.",
    "`name` holds": "Name: it holds characters that are not text.",
    "`name` is that": "Name: another webhook has it. Choose another one.",
    "`url` must be an": "Address: write it as https://host/path, without a user name, spaces or"
    " letters such as ä.",
    "`url` may": "Address: at most 2000 characters, and no #fragment.",
    "`url` must begin": "Address: it must begin with https://.",
    "`url` leads": "Address: it leads to a private or special address. Use one that is public, or"
    " let an owner or admin allow private ones for this organisation with the mutation"
    " allowPrivateProbes.",
    "`url` names": "Address: the name of this host is not known. Check how it is spelled.",
    "`events` must": "Told when: choose at least one.",
    "`min_severity` is": "From how bad on: choose one of the list.",
    "A tenant has": "There are 20 webhooks already. Delete one first.",
    "No webhook has": "This webhook is not there. Look at the list again.",
    "No delivery has": "This notification is not there any more. Look at the list again.",
    "is switched off": "This webhook is off. Turn it on first.",
    "test of this": "A test of this webhook is still on its way. Below stands how it went.",
    "under way": "This notification is still on its way. Wait until it has ended.",
}
EVENTS = {
    WebhookEvent.ALERT_OPENED: "an alert opens",
    WebhookEvent.ALERT_RESOLVED: "an alert is over",
    WebhookEvent.DETECTION_OPENED: "a detection is made",
    WebhookEvent.DETECTION_ACKNOWLEDGED: "somebody closes a detection",
    WebhookEvent.DETECTION_RESOLVED: "a detection is dealt with",
}
EVENT_NAMES = EVENTS | {WebhookEvent.TEST: "a test"}
SEVERITIES = {
    Severity.INFO: "everything",
    Severity.LOW: "low",
    Severity.MEDIUM: "medium",
    Severity.HIGH: "high",
    Severity.CRITICAL: "critical only",
}
STATES = {
    DeliveryState.MUTED: "held back by a mute",
    DeliveryState.PENDING: "waits",
    DeliveryState.SENDING: "is being sent",
    DeliveryState.DELIVERED: "arrived",
    DeliveryState.FAILED: "given up",
    DeliveryState.CANCELLED: "cancelled",
}
# What the sender keeps of an attempt without an answer; a status speaks for itself.
PROBLEMS = {
    "timeout": "no answer within ten seconds",
    "forbidden_address": "the address is private by now",
    "tls": "the certificate is not good",
    "tls_expired": "the certificate has expired",
    "tls_not_yet_valid": "the certificate is not valid yet",
    "tls_untrusted": "nobody we trust vouches for the certificate",
    "tls_wrong_name": "the certificate is for another name",
    "closed": "the connection was closed without an answer",
    "unreachable": "the host does not answer",
    "not_http": "the answer is no HTTP",
    "unsealable": "the hub has lost the key of this webhook. Delete it and make it anew",
}
