"""The page of webhooks: what there is, and what became of the last notifications."""

from fastapi import Response

from hub.alerts.webhooks.delivery import MAX_ATTEMPTS
from hub.alerts.webhooks.endpoints import MAX_NAME_CHARACTERS, WAITING
from hub.alerts.webhooks.queries import DELIVERIES, deliveries_page, webhooks
from hub.principal import Permission
from hub.severity import Severity
from oauth.account.managing import Section
from oauth.account.visit import Visit
from oauth.account.webhook_words import (
    EVENT_NAMES,
    EVENTS,
    PROBLEMS,
    SAID,
    SEVERITIES,
    STATES,
)

PATH = "/account/webhooks"
DELIVERIES_A_PAGE = 20


async def webhooks_page(
    found: Visit,
    *,
    status: int = 200,
    message: str | None = None,
    field: str | None = None,
    note: str | None = None,
    after: str | None = None,
    webhook: str = "",
) -> Response:
    """Return the page; who may not manage webhooks is told whom to ask."""
    values: dict[str, object] = {}
    if found.person.may(Permission.WEBHOOKS_MANAGE):
        values = await _stored(found, after=after, webhook=webhook)
    every = {event.value: "yes" for event in EVENTS}
    return found.page(
        "webhooks.html",
        status=status,
        message=message,
        field=field,
        note=note,
        is_first=after is None,
        events=EVENTS,
        event_names=EVENT_NAMES,
        severities=SEVERITIES,
        states=STATES,
        problems=PROBLEMS,
        waiting=WAITING,
        most_attempts=MAX_ATTEMPTS,
        most_characters=MAX_NAME_CHARACTERS,
        typed={"name": "", "url": "", "min_severity": Severity.LOW.value}
        | (dict(found.fields) if "name" in found.fields else every),
        **values,
    )


async def _stored(found: Visit, *, after: str | None, webhook: str) -> dict[str, object]:
    """Return the webhooks, and a page of the deliveries of all or of the one that is looked at."""
    async with found.oauth.database.transaction(tenant_id=found.person.tenant_id) as session:
        known = await webhooks(session)
        chosen = next((one for one in known if str(one.id) == webhook), None)
        deliveries = await deliveries_page(
            session,
            webhook_id=chosen.id if chosen else None,
            first=DELIVERIES_A_PAGE,
            after=after,
        )
    has_next = deliveries.has_next
    return {
        "webhooks": known,
        "chosen": chosen,
        "deliveries": deliveries.rows,
        "next_page": DELIVERIES.cursor_at(deliveries.rows[-1][0].sequence) if has_next else None,
    }


WEBHOOKS = Section(PATH, Permission.WEBHOOKS_MANAGE, webhooks_page, SAID)
