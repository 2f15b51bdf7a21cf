"""GraphQL face of webhooks: shapes and wiring only; every rule lives in `hub.alerts.webhooks`."""

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

import strawberry

from hub.alerts.rule_queries import identity_of
from hub.alerts.webhooks.destination import look_up
from hub.alerts.webhooks.endpoints import (
    Secret,
    WebhookSpec,
    create_webhook,
    delete_webhook,
    rotate_secret,
    update_webhook,
    webhook_of,
)
from hub.alerts.webhooks.models import DeliveryState, Webhook, WebhookDelivery, WebhookEvent
from hub.alerts.webhooks.queries import DELIVERIES, deliveries_page, webhooks
from hub.alerts.webhooks.resending import send_again, send_test
from hub.paging import Page
from hub.principal import Permission
from hub.severity import Severity
from hub_schema.connections import AFTER, DEFAULT_PAGE_SIZE, FIRST, PageInfo
from hub_schema.context import Context, Info
from hub_schema.directives import EgressClass, guarded, guarded_mutation, leaf, part
from hub_schema.enums import describe

describe(
    WebhookEvent,
    "What a webhook is told of.",
    {
        WebhookEvent.ALERT_OPENED: "An alert opened, or became bad enough. Sent as alert.opened.",
        WebhookEvent.ALERT_RESOLVED: "An alert that was told is over. Sent as alert.resolved.",
        WebhookEvent.DETECTION_OPENED: "A detection was made. Sent as detection.opened.",
        WebhookEvent.DETECTION_ACKNOWLEDGED: "Somebody closed one. Sent as detection.acknowledged.",
        WebhookEvent.DETECTION_RESOLVED: "One was dealt with. Sent as detection.resolved.",
        WebhookEvent.TEST: "Somebody asked for a test.",
    },
)
describe(
    DeliveryState,
    "Where a notification stands.",
    {
        DeliveryState.MUTED: "Held back by a mute; goes out if the alert outlasts it.",
        DeliveryState.PENDING: "Waits for its next attempt.",
        DeliveryState.SENDING: "Is being sent.",
        DeliveryState.DELIVERED: "The receiver took it.",
        DeliveryState.FAILED: "Given up.",
        DeliveryState.CANCELLED: "The webhook was switched off, or a mute outlasted the alert.",
    },
)
_NO_WEBHOOK = "No webhook has this id."


@strawberry.type(name="Webhook", description="Where notifications go.")
class WebhookType:
    """Webhook, as clients see it."""

    id: UUID = leaf(EgressClass.IDENTIFIER, "Identifies the webhook in this tenant.")
    name: str = leaf(EgressClass.ALERT_TEXT, "What people call it.")
    url: str = leaf(
        EgressClass.SECRET, "Scheme and host. The rest may be a credential and is not shown."
    )
    events: list[WebhookEvent] = leaf(EgressClass.ALERT_TEXT, "What it is told of.")
    min_severity: Severity = leaf(EgressClass.ALERT_TEXT, "From how bad on.")
    is_enabled: bool = leaf(EgressClass.ALERT_TEXT, "Whether it is told of anything.")
    disabled_reason: str = leaf(
        EgressClass.ALERT_TEXT, "`failing`: it failed for five days. `person`: somebody did it."
    )
    failing_since: datetime | None = leaf(EgressClass.TIME, "Since when nothing arrives.")
    last_success_at: datetime | None = leaf(EgressClass.TIME, "When something last arrived.")
    former_secret_until: datetime | None = leaf(
        EgressClass.TIME, "Until when the secret before the last rotation signs as well."
    )
    created_by: str = leaf(EgressClass.PERSON, "Who made it.")

    @classmethod
    def of(cls, webhook: Webhook) -> Self:
        """Shape one webhook."""
        return cls(
            id=webhook.id,
            name=webhook.name,
            url=webhook.shown_url,
            events=[WebhookEvent(one) for one in webhook.events],
            min_severity=webhook.min_severity,
            is_enabled=webhook.is_enabled,
            disabled_reason=webhook.disabled_reason,
            failing_since=webhook.failing_since,
            last_success_at=webhook.last_success_at,
            former_secret_until=webhook.former_secret_until,
            created_by=webhook.created_by,
        )


@strawberry.type(name="WebhookDelivery", description="One notification to one webhook.")
class WebhookDeliveryType:
    """Delivery, as clients see it."""

    id: UUID = leaf(EgressClass.IDENTIFIER, "The X-Monsys-Delivery that the receiver sees.")
    webhook_name: str = leaf(EgressClass.ALERT_TEXT, "Where it goes.")
    event: WebhookEvent = leaf(EgressClass.ALERT_TEXT, "What it tells of.")
    subject_id: UUID = leaf(EgressClass.IDENTIFIER, "The alert or detection.")
    state: DeliveryState = leaf(EgressClass.ALERT_TEXT, "Where it stands.")
    attempts: int = leaf(EgressClass.COUNT, "How often it was tried, of eight.")
    last_status: int | None = leaf(EgressClass.COUNT, "The last answer's HTTP status.")
    last_error: str = leaf(
        EgressClass.ALERT_TEXT,
        "What was wrong with the last attempt, in a word: status_500, timeout, unreachable, closed,"
        " not_http, tls, tls_expired, tls_wrong_name, tls_untrusted, forbidden_address…",
    )
    created_at: datetime = leaf(EgressClass.TIME, "When it happened.")
    last_attempt_at: datetime | None = leaf(EgressClass.TIME, "When it was last tried.")
    next_attempt_at: datetime | None = leaf(EgressClass.TIME, "When it is tried next, if it is.")

    @classmethod
    def of(cls, delivery: WebhookDelivery, webhook_name: str) -> Self:
        """Shape one delivery."""
        is_waiting = delivery.state is DeliveryState.PENDING
        return cls(
            id=delivery.id,
            webhook_name=webhook_name,
            event=delivery.event,
            subject_id=delivery.subject_id,
            state=delivery.state,
            attempts=delivery.attempts,
            last_status=delivery.last_status,
            last_error=delivery.last_error,
            created_at=delivery.created_at,
            last_attempt_at=delivery.last_attempt_at,
            next_attempt_at=delivery.next_attempt_at if is_waiting else None,
        )


@strawberry.type(description="A page of deliveries.")
class WebhookDeliveryConnection:
    """Deliveries, newest first."""

    total_count: int = leaf(EgressClass.COUNT, "How many match in all.")
    nodes: list[WebhookDeliveryType] = part("The deliveries of this page.")
    page_info: PageInfo = part("Where the page ends.")

    @classmethod
    def of(cls, page: Page[tuple[WebhookDelivery, str]]) -> Self:
        """Shape one page."""
        end = DELIVERIES.cursor_at(page.rows[-1][0].sequence) if page.has_next else None
        return cls(
            total_count=page.total or 0,
            nodes=[WebhookDeliveryType.of(*row) for row in page.rows],
            page_info=PageInfo(has_next_page=page.has_next, end_cursor=end),
        )


@strawberry.input(description="Where notifications are to go, and which.")
class CreateWebhookInput:
    """Arguments of createWebhook."""

    name: str = strawberry.field(description="What people call it; unique.")
    url: str = strawberry.field(
        description="A public https:// address; a Slack incoming webhook's, say."
    )
    events: list[WebhookEvent] = strawberry.field(description="What it is told of.")
    min_severity: Severity = strawberry.field(description="From how bad on.", default=Severity.LOW)


@strawberry.input(description="What to change in a webhook; what is left out stays.")
class UpdateWebhookInput:
    """Arguments of updateWebhook."""

    id: str = strawberry.field(description="The webhook's id.")
    name: str | None = strawberry.field(description="What people call it.", default=None)
    url: str | None = strawberry.field(description="A public https:// address.", default=None)
    events: list[WebhookEvent] | None = strawberry.field(
        description="What it is told of.", default=None
    )
    min_severity: Severity | None = strawberry.field(description="From how bad on.", default=None)
    is_enabled: bool | None = strawberry.field(
        description="False cancels what waits; true lets one that failed begin afresh.",
        default=None,
    )


@strawberry.input(description="Which webhook.")
class WebhookInput:
    """Arguments of the mutations of one webhook."""

    id: str = strawberry.field(description="The webhook's id.")


@strawberry.input(description="Which delivery is sent again.")
class ResendWebhookDeliveryInput:
    """Arguments of resendWebhookDelivery."""

    id: str = strawberry.field(description="The delivery's id.")


@strawberry.type(description="A webhook and its secret.")
class WebhookSecretPayload:
    """Answer of the mutations that make a secret."""

    id: UUID = leaf(EgressClass.IDENTIFIER, "The webhook's id.")
    secret: str = leaf(EgressClass.SECRET, "Keys the signatures. Shown this once.")

    @classmethod
    def of(cls, made: Secret) -> Self:
        """Shape the answer."""
        return cls(id=made.webhook_id, secret=made.secret)


@strawberry.type(description="A webhook or delivery that was acted on.")
class WebhookPayload:
    """Answer of the other mutations."""

    id: UUID = leaf(EgressClass.IDENTIFIER, "Of the webhook, or of the delivery.")


@strawberry.type(name="Query")
class WebhookQuery:
    """Webhook fields of the query root."""

    @guarded(Permission.WEBHOOKS_MANAGE, "Every webhook by name.")
    async def webhooks(self, info: Info) -> list[WebhookType]:
        """Delegate, shape the answer."""
        return [WebhookType.of(one) for one in await info.context.work.run(webhooks)]

    @guarded(Permission.WEBHOOKS_MANAGE, "Notifications, newest first, and what became of them.")
    async def webhook_deliveries(
        self,
        info: Info,
        *,
        webhook: Annotated[
            str | None, strawberry.argument(description="Only to this webhook: its id.")
        ] = None,
        state: Annotated[
            DeliveryState | None, strawberry.argument(description="Only in this state.")
        ] = None,
        first: Annotated[int, FIRST] = DEFAULT_PAGE_SIZE,
        after: Annotated[str | None, AFTER] = None,
    ) -> WebhookDeliveryConnection:
        """Delegate, shape the answer."""
        work = info.context.work
        webhook_id = await _webhook_id(info.context, webhook) if webhook is not None else None
        page = await work.run(
            deliveries_page, webhook_id=webhook_id, state=state, first=first, after=after
        )
        return WebhookDeliveryConnection.of(page)


@strawberry.type(name="Mutation")
class WebhookMutation:
    """Webhook fields of the mutation root."""

    @guarded_mutation(Permission.WEBHOOKS_MANAGE, "Make a webhook. Logged.", idempotent=False)
    async def create_webhook(
        self,
        info: Info,
        *,
        input: Annotated[  # noqa: A002 - the name every mutation's argument has
            CreateWebhookInput, strawberry.argument(description="Where to, and what.")
        ],
    ) -> WebhookSecretPayload:
        """Delegate."""
        context = info.context
        spec = WebhookSpec(
            name=input.name, url=input.url, events=input.events, min_severity=input.min_severity
        )
        made = await context.work.run(
            create_webhook,
            spec=spec,
            box=context.secret_box,
            destination=await context.work.aside(look_up, input.url),
            **_by(context),
        )
        return WebhookSecretPayload.of(made)

    @guarded_mutation(Permission.WEBHOOKS_MANAGE, "Change a webhook. Logged.")
    async def update_webhook(
        self,
        info: Info,
        *,
        input: Annotated[  # noqa: A002
            UpdateWebhookInput, strawberry.argument(description="Which, and what.")
        ],
    ) -> WebhookPayload:
        """Delegate."""
        context = info.context
        webhook_id = identity_of(input.id, _NO_WEBHOOK)
        destination = None
        if input.url is not None:
            destination = await context.work.aside(look_up, input.url)
        names = ("name", "url", "events", "min_severity", "is_enabled")
        told = {name: getattr(input, name) for name in names}
        await context.work.run(
            update_webhook,
            webhook_id=webhook_id,
            changes={name: value for name, value in told.items() if value is not None},
            destination=destination,
            box=context.secret_box,
            **_by(context),
        )
        return WebhookPayload(id=webhook_id)

    @guarded_mutation(
        Permission.WEBHOOKS_MANAGE,
        "Give a webhook a new secret; the former one signs as well for a day. Logged.",
        idempotent=False,
    )
    async def rotate_webhook_secret(
        self,
        info: Info,
        *,
        input: Annotated[  # noqa: A002
            WebhookInput, strawberry.argument(description="Which.")
        ],
    ) -> WebhookSecretPayload:
        """Delegate."""
        context = info.context
        webhook_id = await _webhook_id(context, input.id)
        made = await context.work.run(
            rotate_secret, webhook_id=webhook_id, box=context.secret_box, **_by(context)
        )
        return WebhookSecretPayload.of(made)

    @guarded_mutation(Permission.WEBHOOKS_MANAGE, "Delete a webhook and its deliveries. Logged.")
    async def delete_webhook(
        self,
        info: Info,
        *,
        input: Annotated[  # noqa: A002
            WebhookInput, strawberry.argument(description="Which.")
        ],
    ) -> WebhookPayload:
        """Delegate."""
        context = info.context
        webhook_id = identity_of(input.id, _NO_WEBHOOK)
        await context.work.run(delete_webhook, webhook_id=webhook_id, **_by(context))
        return WebhookPayload(id=webhook_id)

    @guarded_mutation(
        Permission.WEBHOOKS_MANAGE,
        "Send a test, tried once; webhookDeliveries tells how it went.",
        idempotent=False,
    )
    async def test_webhook(
        self,
        info: Info,
        *,
        input: Annotated[  # noqa: A002
            WebhookInput, strawberry.argument(description="Which.")
        ],
    ) -> WebhookPayload:
        """Delegate."""
        context = info.context
        made = await context.work.run(
            send_test,
            principal=context.principal,
            webhook_id=identity_of(input.id, _NO_WEBHOOK),
            now=context.now,
        )
        return WebhookPayload(id=made)

    @guarded_mutation(
        Permission.WEBHOOKS_MANAGE, "Send a finished delivery again. Logged.", idempotent=False
    )
    async def resend_webhook_delivery(
        self,
        info: Info,
        *,
        input: Annotated[  # noqa: A002
            ResendWebhookDeliveryInput, strawberry.argument(description="Which.")
        ],
    ) -> WebhookPayload:
        """Delegate."""
        context = info.context
        delivery_id = identity_of(input.id, "No delivery has this id.")
        await context.work.run(send_again, delivery_id=delivery_id, **_by(context))
        return WebhookPayload(id=delivery_id)


def _by(context: Context) -> dict[str, Any]:
    """Return who does it, when, and in which request."""
    return {
        "principal": context.principal,
        "now": context.now,
        "request_id": context.request_id,
    }


async def _webhook_id(context: Context, text: str) -> UUID:
    """Return the id of a webhook that there is."""
    return (await context.work.run(webhook_of, identity_of(text, _NO_WEBHOOK))).id
