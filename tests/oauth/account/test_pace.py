"""Failed sign-ins wait longer each time, and nobody can shut somebody else out for good."""

import asyncio

import httpx2
import pytest
from fastapi import FastAPI

from hub.errors import Throttled
from hub.settings import Settings
from oauth.sign_in_pace import SignInPace
from tests.oauth.account.conftest import MakeSomeone
from tests.oauth.browser import Browser
from tests.oauth.conftest import APP_ORIGIN
from tests.oauth.flow import PASSWORD


@pytest.fixture
def pace(settings: Settings) -> SignInPace:
    return SignInPace(settings)


async def attempt(pace: SignInPace, *, address: str = "a", device: str | None = None) -> int:
    """Try once and fail; return after how many seconds one may try again, 0 for at once."""
    try:
        await pace.attempt("sign-in", account="ada", address=address, device=device)
    except Throttled as error:
        return error.retry_after_seconds
    await pace.failed("sign-in", account="ada", device=device)
    return 0


async def test_five_attempts_are_free_and_then_each_waits_twice_as_long(pace: SignInPace) -> None:
    assert [await attempt(pace) for _ in range(6)] == [0] * 6
    waits = []
    for _ in range(12):
        waits.append(await attempt(pace))
        # Time passes: the pause is over.
        for key in [key for key in pace._storage.storage if "pause" in key]:  # type: ignore[attr-defined]
            await pace._storage.clear(key)
        assert await attempt(pace) == 0
    assert [wait - 1 for wait in waits] == pytest.approx(
        [2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900], abs=1
    )


async def test_impatience_does_not_make_the_wait_longer(pace: SignInPace) -> None:
    for _ in range(6):
        await attempt(pace)
    assert {await attempt(pace) for _ in range(50)} <= {1, 2, 3}


async def test_of_fifty_at_once_only_a_few_are_tried(pace: SignInPace) -> None:
    waits = await asyncio.gather(*(attempt(pace) for _ in range(50)))
    assert waits.count(0) == 6


async def test_success_starts_over(pace: SignInPace) -> None:
    for _ in range(6):
        await attempt(pace)
    await pace.succeeded("sign-in", account="ada", address="a", device=None)
    assert [await attempt(pace) for _ in range(6)] == [0] * 6


async def test_failures_at_one_address_do_not_slow_another_down(pace: SignInPace) -> None:
    for _ in range(6):
        await attempt(pace)
    assert await attempt(pace) > 0
    assert await attempt(pace, address="b") == 0


async def test_guesses_from_everywhere_are_bounded_but_never_hold_up_a_known_browser(
    pace: SignInPace,
) -> None:
    waits = [await attempt(pace, address=f"host-{n}") for n in range(101)]
    assert waits[:100] == [0] * 100
    assert 3500 < waits[100] <= 3602
    assert await attempt(pace, address="home", device="known") == 0


async def test_a_known_browser_has_a_pace_of_its_own(pace: SignInPace) -> None:
    for _ in range(6):
        await attempt(pace, device="stolen")
    assert await attempt(pace, device="stolen") > 0


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
