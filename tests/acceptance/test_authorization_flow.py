"""The article's "Authorization flow", its six steps in their order."""

from urllib.parse import urlsplit

from tests.acceptance import article
from tests.acceptance.connector import Pkce, register
from tests.acceptance.person import Account, Person, callback_parameters
from tests.running_hub import RunningHub


def authorize_url(hub: RunningHub, client_id: str, pkce: Pkce, *, scope: str = "mcp.read") -> str:
    """Return the article's URL: parameters in its order, the redirect URI not even escaped."""
    return (
        f"{hub.app_origin}/mcp/oauth/authorize"
        f"?client_id={client_id}"
        f"&redirect_uri={article.REDIRECT_URI}"
        "&response_type=code"
        f"&scope={scope}"
        f"&code_challenge={pkce.challenge}"
        "&code_challenge_method=S256"
    )


async def exchange(
    hub: RunningHub, client_id: str, code: str, verifier: str
) -> tuple[int, dict[str, object]]:
    response = await hub.http.post(
        f"{hub.origin}/mcp/oauth/token",
        data={
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": article.REDIRECT_URI,
            "client_id": client_id,
            "code_verifier": verifier,
        },
    )
    assert response.headers["cache-control"] == "no-store"
    return response.status_code, response.json()


async def test_the_recipe_leads_from_a_link_to_a_token(hub: RunningHub, operator: Account) -> None:
    client_id = await register(hub.http, hub.origin, redirect_uri=article.REDIRECT_URI)
    pkce = Pkce()
    assert len(bytes.fromhex(pkce.verifier)) == 32

    async with Person(operator) as person:
        back = await person.allow(authorize_url(hub, client_id, pkce))

    assert back.startswith(f"{article.REDIRECT_URI}?")
    parameters = callback_parameters(back)
    # `iss` is RFC 9207's; there is no `state`, because the article's client sent none.
    assert set(parameters) == {"code", "iss"}
    assert parameters["iss"] == hub.origin

    status, token = await exchange(hub, client_id, parameters["code"], pkce.verifier)
    assert status == 200
    access_token = token.pop("access_token")
    assert isinstance(access_token, str)
    assert access_token.startswith("mat_")
    assert token == {
        "token_type": article.TOKEN_TYPE,
        "expires_in": article.TOKEN_SECONDS,
        "scope": "mcp.read",
    }


async def test_the_consent_page_says_who_asks_for_what_and_where_it_goes(
    hub: RunningHub, operator: Account
) -> None:
    client_id = await register(hub.http, hub.origin, redirect_uri=article.REDIRECT_URI)

    async with Person(operator) as person:
        await person.allow(authorize_url(hub, client_id, Pkce()))

    consent = person.pages[-1].text
    assert "acceptance" in consent  # the client's own name
    assert urlsplit(article.REDIRECT_URI).netloc in consent
    assert operator.email in consent


async def test_a_person_may_say_no(hub: RunningHub, operator: Account) -> None:
    client_id = await register(hub.http, hub.origin, redirect_uri=article.REDIRECT_URI)

    async with Person(operator) as person:
        back = await person.deny(authorize_url(hub, client_id, Pkce()))

    parameters = callback_parameters(back)
    assert parameters["error"] == "access_denied"
    assert parameters["iss"] == hub.origin
    assert "code" not in parameters


async def test_a_code_without_its_verifier_is_worth_nothing(
    hub: RunningHub, operator: Account
) -> None:
    client_id = await register(hub.http, hub.origin, redirect_uri=article.REDIRECT_URI)
    async with Person(operator) as person:
        back = await person.allow(authorize_url(hub, client_id, Pkce()))

    status, answer = await exchange(
        hub, client_id, callback_parameters(back)["code"], Pkce().verifier
    )

    assert (status, answer["error"]) == (400, "invalid_grant")


async def test_a_wrong_password_leads_nowhere(hub: RunningHub, operator: Account) -> None:
    client_id = await register(hub.http, hub.origin, redirect_uri=article.REDIRECT_URI)
    stranger = Account(operator.email, "not the password")

    async with Person(stranger) as person:
        page = await person.try_to_sign_in(authorize_url(hub, client_id, Pkce()))

    assert page.form_with_button("Sign in")
    assert "Allow" not in page.text
