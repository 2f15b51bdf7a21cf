"""What these pages share, hosts to alert rules: who may, and what a refusal looks like.

The commands are those of GraphQL and of the command line. Their refusals name arguments; a page
has labels instead, so each section says in its own words what is wrong with which field.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from fastapi import Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from hub.clock import utc_now
from hub.errors import HubError
from hub.principal import Permission
from oauth.account.visit import Visit, status_of, submission
from oauth.service import OAuth, request_id_of
from oauth.turned_away import turn_away

ASK_A_MANAGER = "Only owners and admins may do this. Nothing was changed; ask one of them."


type Command = Callable[[AsyncSession, Visit], Awaitable[object]]


class Show(Protocol):
    """Renders a section's page, after a refusal with what was typed."""

    def __call__(
        self,
        found: Visit,
        *,
        status: int = 200,
        message: str | None = None,
        field: str | None = None,
    ) -> Awaitable[Response]:
        """Return the page."""


@dataclass(frozen=True, slots=True)
class Section:
    """One of these pages: where it is, what changing something there takes, and its words."""

    path: str
    permission: Permission
    show: Show
    said: Mapping[str, str]  # by a piece of the command's own message
    whom_to_ask: str = ASK_A_MANAGER

    async def submission(self, request: Request, oauth: OAuth) -> Visit | Response:
        """Return who sent the form and may, or why nothing was done."""
        found = await submission(request, oauth, back=self.path)
        if isinstance(found, Response):
            return found
        if not found.person.may(self.permission):
            await turn_away(request, oauth, error="forbidden", reason=self.whom_to_ask)
            return await self.show(found, status=403, message=self.whom_to_ask)
        return found

    async def carry_out[Result](
        self, found: Visit, command: Callable[[AsyncSession], Awaitable[Result]]
    ) -> Result | Response:
        """Return what the command returned, or the page with the refusal on it."""
        try:
            async with found.oauth.database.transaction(
                tenant_id=found.person.tenant_id
            ) as session:
                return await command(session)
        except HubError as error:
            return await self.refused(found, error)

    async def act(self, request: Request, oauth: OAuth, command: Command, *, note: str) -> Response:
        """Carry out what a form asks for, and lead back to the list."""
        found = await self.submission(request, oauth)
        if isinstance(found, Response):
            return found
        result = await self.carry_out(found, lambda session: command(session, found))
        return result if isinstance(result, Response) else found.go(self.path, done=note)

    async def refused(self, found: Visit, error: HubError) -> Response:
        """Return the page that says what is wrong with which field."""
        words = (text for piece, text in self.said.items() if piece in error.message)
        message = next(words, error.message)
        return await self.show(found, status=status_of(error), message=message, field=error.field)


def now_and_request(found: Visit) -> dict[str, Any]:
    """Return what every audited command is told besides who: when, and in which request."""
    return {"now": utc_now(), "request_id": request_id_of(found.request)}
