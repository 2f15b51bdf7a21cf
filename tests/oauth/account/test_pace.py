"""Failed sign-ins wait longer each time, and nobody can shut somebody else out for good."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import select, update
from sqlmodel import col

from hub.clock import utc_now
from hub.database import Database
from hub.errors import Throttled
from hub.settings import Settings
from hub.tenancy.models import AttemptCount
from hub.tenancy.pruning import prune_accounts
from oauth.sign_in_pace import SignInPace, _keys
from tests.oauth.account.conftest import MakeSomeone
from tests.oauth.browser import Browser
from tests.oauth.conftest import APP_ORIGIN
from tests.oauth.flow import PASSWORD


@pytest.fixture
def pace(settings: Settings, database: Database) -> SignInPace:
    return SignInPace(settings, database)


@pytest.fixture
def account() -> str:
    """Return an account of this test's own: counts are kept in the database."""
    return uuid4().hex


async def attempt(
    pace: SignInPace,
    account: str,
    *,
    address: str = "a",
    device: str | None = None,
    kind: str = "sign-in",
) -> int:
    """Try once and fail; return after how many seconds one may try again, 0 for at once."""
    try:
        await pace.attempt(kind, account=account, address=address, device=device)
    except Throttled as error:
        return error.retry_after_seconds
    await pace.failed(kind, account=account, device=device)
    return 0


async def pass_time(database: Database, digest: str) -> None:
    """Let this count be over."""
    async with database.transaction(presented=digest) as session:
        await session.execute(
            update(AttemptCount)
            .where(col(AttemptCount.digest) == digest)
            .values(expires_at=utc_now() - timedelta(seconds=1))
        )


async def test_five_attempts_are_free_and_then_each_waits_twice_as_long(
    pace: SignInPace, account: str, database: Database
) -> None:
    _, pause = _keys("sign-in", account, "a")
    assert [await attempt(pace, account) for _ in range(6)] == [0] * 6
    waits = []
    for _ in range(12):
        waits.append(await attempt(pace, account))
        await pass_time(database, pause)
        assert await attempt(pace, account) == 0
    assert [wait - 1 for wait in waits] == pytest.approx(
        [2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900], abs=1
    )


async def test_impatience_does_not_make_the_wait_longer(pace: SignInPace, account: str) -> None:
    for _ in range(6):
        await attempt(pace, account)
    assert {await attempt(pace, account) for _ in range(50)} <= {1, 2, 3}


async def test_of_fifty_at_once_only_a_few_are_tried(pace: SignInPace, account: str) -> None:
    waits = await asyncio.gather(*(attempt(pace, account) for _ in range(50)))
    assert waits.count(0) == 6


async def test_of_fifty_at_once_on_two_replicas_no_more_are_tried(
    settings: Settings, database: Database, account: str
) -> None:
    replicas = [SignInPace(settings, Database(database.url, pool_size=4)) for _ in range(2)]
    waits = await asyncio.gather(
        *(
            attempt(replicas[number % 2], account, address=f"host-{number}", device="one")
            for number in range(50)
        )
    )
    assert waits.count(0) == 6
    for replica in replicas:
        await replica._database.close()


async def test_a_restart_is_no_new_start(
    settings: Settings, database: Database, account: str
) -> None:
    for _ in range(6):
        await attempt(SignInPace(settings, database), account)
    assert await attempt(SignInPace(settings, database), account) > 0


async def test_success_starts_over(pace: SignInPace, account: str) -> None:
    for _ in range(6):
        await attempt(pace, account)
    await pace.succeeded("sign-in", account=account, address="a", device=None)
    assert [await attempt(pace, account) for _ in range(6)] == [0] * 6


async def test_an_hour_of_silence_starts_over(
    pace: SignInPace, account: str, database: Database
) -> None:
    for _ in range(6):
        await attempt(pace, account)
    for digest in _keys("sign-in", account, "a"):
        await pass_time(database, digest)
    assert [await attempt(pace, account) for _ in range(6)] == [0] * 6


async def test_failures_at_one_address_do_not_slow_another_down(
    pace: SignInPace, account: str
) -> None:
    for _ in range(6):
        await attempt(pace, account)
    assert await attempt(pace, account) > 0
    assert await attempt(pace, account, address="b") == 0


async def test_guesses_from_everywhere_are_bounded_but_never_hold_up_a_known_browser(
    pace: SignInPace, account: str
) -> None:
    waits = [await attempt(pace, account, address=f"host-{n}") for n in range(101)]
    assert waits[:100] == [0] * 100
    assert 3500 < waits[100] <= 3602
    assert await attempt(pace, account, address="home", device="known") == 0


async def test_one_time_codes_are_not_found_by_trying_from_everywhere(
    pace: SignInPace, account: str
) -> None:
    """RFC 4226 §7.3: thirty a day are one chance in thirty to find one within a year."""
    waits = [await attempt(pace, account, address=f"host-{n}", kind="code") for n in range(31)]
    assert waits[:30] == [0] * 30
    assert 86_300 < waits[30] <= 86_402
    assert await attempt(pace, account, address="home", device="known", kind="code") == 0
    assert await attempt(pace, account) == 0  # a password may be tried meanwhile


async def test_a_known_browser_has_a_pace_of_its_own(pace: SignInPace, account: str) -> None:
    for _ in range(6):
        await attempt(pace, account, device="stolen")
    assert await attempt(pace, account, device="stolen") > 0


async def test_counts_that_are_over_are_forgotten_and_tell_nothing_meanwhile(
    pace: SignInPace, account: str, database: Database
) -> None:
    await attempt(pace, account, address="198.51.100.7")
    failures, _ = _keys("sign-in", account, "198.51.100.7")
    await pass_time(database, failures)
    async with database.transaction(presented="*") as session:
        kept = str((await session.execute(select(AttemptCount))).all())
    assert account not in kept
    assert "198.51.100.7" not in kept
    await prune_accounts(database)
    async with database.transaction(presented=failures) as session:
        assert (await session.execute(select(AttemptCount))).all() == []


async def test_who_signed_in_before_gets_in_while_others_guess(
    someone: MakeSomeone, app: FastAPI
) -> None:
    person = await someone()
    await person.post("/sign-out")
    for _ in range(101):
        await app.state.oauth.pace.failed("sign-in", account=person.email, device=None)
    async with Browser(app, APP_ORIGIN) as stranger:
        assert (await stranger.sign_in(person.email, PASSWORD)).status_code == 429
    assert (await person.browser.sign_in(person.email, PASSWORD)).status_code == 303


async def test_the_cookie_of_a_browser_is_good_for_its_own_account_only(
    someone: MakeSomeone, app: FastAPI
) -> None:
    person, other = await someone(), await someone()
    for _ in range(101):
        await app.state.oauth.pace.failed("sign-in", account=person.email, device=None)
    await other.post("/sign-out")
    response: httpx2.Response = await other.browser.sign_in(person.email, PASSWORD)
    assert response.status_code == 429
    assert 0 < int(response.headers["retry-after"]) <= 3602
