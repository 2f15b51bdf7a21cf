"""Who has an account is not told by how much work an answer takes.

Work is counted and not timed: passwords verified and hashed, statements sent and letters written
before the answer leaves. Whatever happens afterwards nobody waits for.
"""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import select, update
from sqlmodel import col
from starlette.types import Message, Receive, Scope, Send

from hub.audit.models import AuditRow
from hub.clock import utc_now
from hub.database import Database
from hub.tenancy import passwords
from hub.tenancy.models import Tenant, User
from hub.tenancy.queries import Account, account_by_id
from oauth.models import OAuthEvent
from oauth.sign_in_trail import carry_over, carry_over_left, write_down
from tests.conftest import Statements
from tests.factories import make_user
from tests.oauth.account.outbox import Outbox
from tests.oauth.browser import Browser, Page
from tests.oauth.conftest import APP_ORIGIN
from tests.oauth.flow import PASSWORD, PASSWORD_HASH
from tests.oauth.trail import events_of

NEW = "blue lamp tower seven"


@dataclass
class Work:
    """What was done until the answer had left."""

    statements: list[str] = field(default_factory=list)
    verified: int = 0
    hashed: int = 0
    letters: int = 0


class Watched:
    """The app, with a note of what had been done when its answer was complete."""

    def __init__(self, app: FastAPI, statements: Statements, outbox: Outbox) -> None:
        self._app, self._statements, self._outbox = app, statements, outbox
        self.work = Work()
        self.at_answer: Work | None = None
        self._letters = 0

    def begin(self) -> None:
        self._statements.clear()
        self.work, self.at_answer = Work(), None
        self._letters = len(self._outbox.letters)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def noting(message: Message) -> None:
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                self.at_answer = Work(
                    list(self._statements),
                    self.work.verified,
                    self.work.hashed,
                    len(self._outbox.letters) - self._letters,
                )

        await self._app(scope, receive, noting)


@pytest.fixture
def watched(
    app: FastAPI, statements: Statements, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> Watched:
    watched = Watched(app, statements, outbox)
    hasher = passwords._HASHER

    class Counting:
        def verify(self, *args: Any) -> bool:
            watched.work.verified += 1
            return hasher.verify(*args)

        def hash(self, *args: Any) -> str:
            watched.work.hashed += 1
            return hasher.hash(*args)

    passwords._hash_of_nobody()
    monkeypatch.setattr(passwords, "_HASHER", Counting())
    return watched


async def work_of(watched: Watched, path: str, address: str, **fields: str) -> Work:
    """Send a form from a browser of its own, and return what its answer took."""
    transport = httpx2.ASGITransport(watched, client=(address, 1))
    async with httpx2.AsyncClient(transport=transport, base_url=APP_ORIGIN) as http:
        form = Page((await http.get(path)).text).form(path)
        watched.begin()
        await http.post(path, data=form.fields | fields, headers={"Origin": APP_ORIGIN})
    assert watched.at_answer is not None
    return watched.at_answer


@pytest.mark.parametrize("is_disabled", [False, True], ids=["known", "disabled"])
async def test_a_failed_sign_in_takes_the_same_work_for_everybody(
    watched: Watched, database: Database, tenant: Tenant, email: str, *, is_disabled: bool
) -> None:
    columns: dict[str, Any] = {"disabled_at": utc_now()} if is_disabled else {}
    user = await make_user(database, tenant, password_hash=PASSWORD_HASH, **columns)
    password = PASSWORD if is_disabled else "wrong"
    known = await work_of(watched, "/sign-in", "a", email=user.email, password=password)
    stranger = await work_of(watched, "/sign-in", "a", email=email, password=password)
    assert known == stranger
    assert (known.verified, known.hashed, known.letters) == (1, 0, 0)
    assert "INSERT INTO oauth_events" in known.statements[-1]  # durable before the answer


async def test_signing_up_takes_the_same_work_for_everybody(
    watched: Watched, database: Database, tenant: Tenant, email: str
) -> None:
    user = await make_user(database, tenant, password_hash=PASSWORD_HASH)
    fields = {"organisation": "Example", "password": NEW}
    known = await work_of(watched, "/signup", "a", email=user.email, **fields)
    stranger = await work_of(watched, "/signup", "a", email=email, **fields)
    assert known == stranger
    assert (known.verified, known.hashed, known.letters) == (0, 1, 0)


async def test_asking_for_a_reset_takes_the_same_work_for_everybody(
    watched: Watched, database: Database, tenant: Tenant, email: str
) -> None:
    user = await make_user(database, tenant, password_hash=PASSWORD_HASH)
    known = await work_of(watched, "/password/forgot", "a", email=user.email)
    stranger = await work_of(watched, "/password/forgot", "a", email=email)
    assert known == stranger
    assert (known.verified, known.hashed, known.letters) == (0, 0, 0)


async def test_a_failed_sign_in_is_audited_even_if_its_process_ends_with_the_answer(
    database: Database, tenant: Tenant, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is durable before the answer is carried over by whoever looks next, and once."""
    user = await make_user(database, tenant, password_hash=PASSWORD_HASH)

    async def ended(*_: object) -> None:
        """Stand for a process that ended: what comes after the answer never runs."""

    monkeypatch.setattr("oauth.sign_in_routes.carry_over", ended)
    response = await browser.sign_in(user.email, "wrong")
    request_id = response.headers["x-request-id"]
    assert await events_of(database, tenant) == []
    waiting = select(OAuthEvent).where(col(OAuthEvent.request_id) == request_id)
    async with database.transaction(presented="*") as session:
        row = (await session.scalars(waiting)).one()
        assert (row.user_id, row.awaits_audit) == (user.id, True)
        assert row.details == {"at": "sign-in", "reason": "wrong_password"}
        await session.execute(
            update(OAuthEvent)
            .where(col(OAuthEvent.id) == row.id)
            .values(at=utc_now() - timedelta(minutes=2))
        )
    for _ in range(2):
        await carry_over_left(database)
    async with database.transaction(tenant_id=tenant.id) as session:
        events = (await session.scalars(select(AuditRow))).all()
    assert [(event.event_type, event.request_id) for event in events] == [
        ("sign_in_failed", request_id)
    ]


async def test_what_strangers_typed_as_an_address_is_not_kept(
    database: Database, browser: Browser, email: str
) -> None:
    response = await browser.sign_in(email, "wrong")
    async with database.transaction(presented="*") as session:
        row = (
            await session.scalars(
                select(OAuthEvent).where(
                    col(OAuthEvent.request_id) == response.headers["x-request-id"]
                )
            )
        ).one()
    assert email not in str(row)
    assert (row.user_id, row.tenant_id, row.awaits_audit) == (None, None, False)


async def test_a_refusal_is_carried_over_once_however_many_try(
    database: Database, tenant: Tenant
) -> None:
    user = await make_user(database, tenant, password_hash=PASSWORD_HASH)
    account = await account_of_user(database, user)
    step_id = await write_down(database, reason="wrong_code", account=account, request_id=None)
    await asyncio.gather(*(carry_over(database, step_id) for _ in range(6)))
    assert await events_of(database, tenant) == [("sign_in_failed", "refused")]


async def account_of_user(database: Database, user: User) -> Account:
    async with database.transaction(user_id=user.id) as session:
        account = await account_by_id(session, user_id=user.id)
    assert account is not None
    return account
