"""A signed-in person at one of the account's pages, or sending one of its forms."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Request, Response

from hub.audit.events import EventType
from hub.errors import HubError
from hub.principal import Permission, Principal
from hub.tenancy.account_commands import record_account_event
from hub.tenancy.queries import TenantMembership, memberships_of
from oauth.rendering import page, problem_page
from oauth.responses import see_other
from oauth.service import OAuth
from oauth.sessions import (
    csrf_token,
    is_csrf_token,
    session_principal,
    session_token,
    set_session_cookie,
)
from oauth.sign_in_forms import EXPIRED, FAILED, form_fields
from oauth.turned_away import turn_away, turn_away_session

ACCOUNT_FORM = "account"
_SIGN_OUT_FORM = "sign-out"
_STATUS_BY_CODE = {"FORBIDDEN": 403, "STEP_UP_REQUIRED": 403, "THROTTLED": 429, "UNAVAILABLE": 503}


@dataclass(frozen=True, slots=True)
class Visit:
    """Who is there, in which tenant, and what they sent."""

    request: Request
    oauth: OAuth
    person: Principal
    token: str
    memberships: list[TenantMembership]
    fields: Mapping[str, str] = field(default_factory=dict)
    is_rotated: bool = False

    @property
    def user_id(self) -> UUID:
        """The person's id."""
        assert self.person.user_id is not None  # noqa: S101 - sessions belong to people
        return self.person.user_id

    @property
    def tenant(self) -> TenantMembership:
        """The tenant that this sign-in is in."""
        return next(m for m in self.memberships if m.tenant_id == self.person.tenant_id)

    @property
    def fresh_within(self) -> timedelta:
        """How long ago a one-time code may have been shown to count as fresh."""
        return timedelta(minutes=self.oauth.settings.second_factor_minutes)

    @property
    def may_manage(self) -> bool:
        """Tell whether this person manages the tenant."""
        return self.person.may(Permission.TENANT_MANAGE)

    def with_cookie(self, token: str, person: Principal) -> "Visit":
        """Return the visit after its session was rotated."""
        return replace(self, token=token, person=person, is_rotated=True)

    def page(self, template: str, *, status: int = 200, **values: Any) -> Response:
        """Return a page of the account, with its navigation and the proof for its forms."""
        box = self.oauth.secret_box
        response = page(
            template,
            status=status,
            person=self.person,
            tenant=self.tenant,
            memberships=self.memberships,
            may_manage=self.may_manage,
            path=self.request.url.path,
            csrf_token=csrf_token(box, cookie=self.token, form=ACCOUNT_FORM),
            sign_out_token=csrf_token(box, cookie=self.token, form=_SIGN_OUT_FORM),
            **values,
        )
        # These forms lead nowhere but to our own pages; sign-in and consent cannot say that.
        response.headers["Content-Security-Policy"] += "; form-action 'self'"
        return self._signed(response)

    def go(self, path: str, *, done: str | None = None) -> Response:
        """Send the browser on; `done` names what the next page says about it."""
        target = f"{path}?{urlencode({'done': done})}" if done else path
        return self._signed(see_other(target))

    def refusal(self, error: HubError, template: str, **values: Any) -> Response:
        """Return the page again, with what was refused and why."""
        return self.page(template, status=status_of(error), message=error.message, **values)

    async def record(
        self, event_type: EventType, *, outcome: str = "success", **details: str | int
    ) -> None:
        """Write down, in a transaction of its own, what the person did with their account."""
        async with self.oauth.database.transaction(
            tenant_id=self.person.tenant_id, user_id=self.user_id
        ) as session:
            await record_account_event(
                session,
                event_type=event_type,
                tenant_id=self.person.tenant_id,
                user_id=self.user_id,
                email=self.person.label,
                outcome=outcome,
                **details,
            )

    def _signed(self, response: Response) -> Response:
        if self.is_rotated:
            set_session_cookie(response, self.token, self.oauth.settings)
        return response


def status_of(error: HubError) -> int:
    """Return the status of a page that says this."""
    return _STATUS_BY_CODE.get(error.code, 400)


async def visit(request: Request, oauth: OAuth) -> Visit | Response:
    """Return who looks at the page, or the way to sign in and back."""
    return await _visit(request, oauth, back=_path_of(request), fields={})


async def submission(request: Request, oauth: OAuth, *, back: str) -> Visit | Response:
    """Return who sent the form, or why it is not taken. `back` is the page that has the form."""
    fields = await form_fields(request, oauth)
    if isinstance(fields, Response):
        return fields
    found = await _visit(request, oauth, back=back, fields=fields)
    if isinstance(found, Response):
        return found
    proof = fields.get("csrf_token", "")
    if not is_csrf_token(oauth.secret_box, proof, cookie=found.token, form=ACCOUNT_FORM):
        await turn_away(request, oauth, error="forged_form", reason=EXPIRED)
        return problem_page(
            FAILED, EXPIRED, status=403, was_from_app=False, way_on=(back, "Back to the page")
        )
    return found


async def _visit(
    request: Request, oauth: OAuth, *, back: str, fields: Mapping[str, str]
) -> Visit | Response:
    person, token = await session_principal(request), session_token(request, oauth.settings)
    if person is None or token is None:
        await turn_away_session(request, oauth)
        return see_other(f"/sign-in?{urlencode({'next': back})}")
    async with oauth.database.transaction(user_id=person.user_id) as session:
        assert person.user_id is not None  # noqa: S101 - sessions belong to people
        memberships = await memberships_of(session, user_id=person.user_id)
    return Visit(request, oauth, person, token, memberships, fields)


def _path_of(request: Request) -> str:
    query = request.url.query
    return f"{request.url.path}?{query}" if query else request.url.path
