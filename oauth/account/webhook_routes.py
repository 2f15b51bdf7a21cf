"""Webhooks: where notifications go, whether they arrive, and everything to do about it."""

from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from sqlalchemy.ext.asyncio import AsyncSession

from hub.alerts.rule_queries import identity_of
from hub.alerts.webhooks.destination import look_up
from hub.alerts.webhooks.endpoints import (
    Secret,
    WebhookSpec,
    create_webhook,
    delete_webhook,
    rotate_secret,
    update_webhook,
)
from hub.alerts.webhooks.resending import send_again, send_test
from hub.clock import utc_now
from hub.errors import HubError, InvalidInput
from hub.severity import Severity
from oauth.account.managing import Command, now_and_request
from oauth.account.visit import Visit, visit
from oauth.account.webhook_page import PATH, WEBHOOKS, webhooks_page
from oauth.account.webhook_words import EVENTS, NOTES
from oauth.openapi import PAGE_RESPONSES, form_body
from oauth.service import OAuthDep

_NO_SEVERITY = "`min_severity` is none of ours."

router = APIRouter(tags=["account"], default_response_class=HTMLResponse)


@router.get(PATH, responses=PAGE_RESPONSES)
async def show_webhooks(
    request: Request, oauth: OAuthDep, done: str = "", after: str = "", webhook: str = ""
) -> Response:
    """Show the webhooks and what became of the last notifications, or those of one webhook."""
    found = await visit(request, oauth)
    if isinstance(found, Response):
        return found
    try:
        return await webhooks_page(
            found, note=NOTES.get(done), after=after or None, webhook=webhook
        )
    except InvalidInput:
        return found.go(PATH)  # no cursor of this list: from the beginning


@router.post(
    f"{PATH}/new",
    responses=PAGE_RESPONSES,
    openapi_extra=form_body(
        csrf_token="",
        name="on call",
        url="https://hooks.example.com/monsys",
        alert_opened="yes",
        min_severity="low",
    ),
)
async def make_webhook(request: Request, oauth: OAuthDep) -> Response:
    """Make a webhook, and show its secret once."""
    found = await WEBHOOKS.submission(request, oauth)
    if isinstance(found, Response):
        return found
    try:
        spec = _spec(found)
        destination = await look_up(spec.url)  # may take seconds, so it comes before a transaction
    except HubError as error:
        return await WEBHOOKS.refused(found, error)

    async def make(session: AsyncSession) -> Secret:
        return await create_webhook(
            session,
            principal=found.person,
            box=oauth.secret_box,
            spec=spec,
            destination=destination,
            **now_and_request(found),
        )

    return _secret_page(found, await WEBHOOKS.carry_out(found, make), is_new=True)


@router.post(
    f"{PATH}/secret",
    responses=PAGE_RESPONSES,
    openapi_extra=form_body(csrf_token="", webhook="id"),
)
async def renew_secret(request: Request, oauth: OAuthDep) -> Response:
    """Give a webhook a new secret, and show it once; for a day the former one signs as well."""
    found = await WEBHOOKS.submission(request, oauth)
    if isinstance(found, Response):
        return found

    async def rotate(session: AsyncSession) -> Secret:
        return await rotate_secret(
            session,
            principal=found.person,
            box=oauth.secret_box,
            webhook_id=_webhook(found),
            **now_and_request(found),
        )

    return _secret_page(found, await WEBHOOKS.carry_out(found, rotate), is_new=False)


@router.post(
    f"{PATH}/test",
    responses=PAGE_RESPONSES,
    openapi_extra=form_body(csrf_token="", webhook="id"),
)
async def try_out(request: Request, oauth: OAuthDep) -> Response:
    """Send a test, which is tried once."""

    async def send(session: AsyncSession, found: Visit) -> UUID:
        return await send_test(
            session, principal=found.person, webhook_id=_webhook(found), now=utc_now()
        )

    return await WEBHOOKS.act(request, oauth, send, note="tested")


@router.post(
    f"{PATH}/enable",
    responses=PAGE_RESPONSES,
    openapi_extra=form_body(csrf_token="", webhook="id"),
)
async def enable(request: Request, oauth: OAuthDep) -> Response:
    """Turn a webhook on; one that failed begins afresh."""
    return await WEBHOOKS.act(request, oauth, _switching(is_on=True), note="enabled")


@router.post(
    f"{PATH}/disable",
    responses=PAGE_RESPONSES,
    openapi_extra=form_body(csrf_token="", webhook="id"),
)
async def disable(request: Request, oauth: OAuthDep) -> Response:
    """Turn a webhook off; what waits for it is cancelled."""
    return await WEBHOOKS.act(request, oauth, _switching(is_on=False), note="disabled")


@router.post(
    f"{PATH}/delete",
    responses=PAGE_RESPONSES,
    openapi_extra=form_body(csrf_token="", webhook="id"),
)
async def delete(request: Request, oauth: OAuthDep) -> Response:
    """Delete a webhook and its deliveries."""

    async def take_out(session: AsyncSession, found: Visit) -> None:
        await delete_webhook(
            session, principal=found.person, webhook_id=_webhook(found), **now_and_request(found)
        )

    return await WEBHOOKS.act(request, oauth, take_out, note="deleted")


@router.post(
    f"{PATH}/resend",
    responses=PAGE_RESPONSES,
    openapi_extra=form_body(csrf_token="", delivery="id"),
)
async def resend(request: Request, oauth: OAuthDep) -> Response:
    """Send a notification again that has ended."""

    async def again(session: AsyncSession, found: Visit) -> None:
        delivery_id = identity_of(found.fields.get("delivery", ""), "No delivery has this id.")
        await send_again(
            session, principal=found.person, delivery_id=delivery_id, **now_and_request(found)
        )

    return await WEBHOOKS.act(request, oauth, again, note="resent")


def _switching(*, is_on: bool) -> Command:
    async def switch(session: AsyncSession, found: Visit) -> None:
        await update_webhook(
            session,
            principal=found.person,
            box=found.oauth.secret_box,
            webhook_id=_webhook(found),
            changes={"is_enabled": is_on},
            **now_and_request(found),
        )

    return switch


def _secret_page(found: Visit, made: Secret | Response, *, is_new: bool) -> Response:
    if isinstance(made, Response):
        return made
    return found.page(
        "webhook_secret.html", secret=made.secret, webhook=made.webhook_id, is_new=is_new
    )


def _webhook(found: Visit) -> UUID:
    return identity_of(found.fields.get("webhook", ""), "No webhook has this id.")


def _spec(found: Visit) -> WebhookSpec:
    severity = found.fields.get("min_severity", Severity.LOW.value)
    if severity not in set(Severity):
        raise InvalidInput(_NO_SEVERITY, field="min_severity")
    return WebhookSpec(
        name=found.fields.get("name", ""),
        url=found.fields.get("url", "").strip(),
        events=[event for event in EVENTS if event.value in found.fields],
        min_severity=Severity(severity),
    )
