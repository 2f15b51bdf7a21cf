"""Alertmanager's alerts are stored: hosts are found, and their periods are taken."""

from uuid import UUID

from hub.ingest.foreign.alertmanager import Notification, Told
from hub.ingest.foreign.door import Delivery
from hub.ingest.foreign.hosts import UnknownHost, hosts_of
from hub.ingest.foreign.outcome import Outcome
from hub.ingest.foreign.periods import take_periods
from hub.ingest.foreign.troubles import Period

_SOURCE = "alertmanager"


async def store_notification(delivery: Delivery, notification: Notification) -> Outcome:
    """Store everything that the notification tells of, each period once.

    An alert that names no host is one of the whole fleet: it is stored without one.
    """
    outcome = notification.outcome
    hosts = await hosts_of(delivery, [one.host for one in notification.told])
    periods = []
    for told in notification.told:
        host = hosts[told.host] if told.host is not None else None
        if isinstance(host, UnknownHost):
            outcome.refuse(told.index, "labels", host.reason)
        else:
            periods.append(_period(told, host))
    news = await take_periods(
        delivery.session, tenant_id=delivery.tenant_id, periods=periods, now=delivery.now
    )
    outcome.accepted += news
    outcome.unchanged += len(periods) - news
    return outcome


def _period(told: Told, agent_id: UUID | None) -> Period:
    return Period(
        source=_SOURCE,
        external_id=told.external_id,
        agent_id=agent_id,
        category=told.category,
        severity=told.severity,
        title=told.title,
        description=told.description,
        started_at=told.started_at,
        ended_at=told.ended_at,
    )
