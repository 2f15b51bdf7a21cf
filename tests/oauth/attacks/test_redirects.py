"""Attacks by where the answer goes."""

import httpx2
import pytest

from hub.principal import Role
from tests.oauth.attacks.scene import Scene
from tests.oauth.browser import Browser, Page
from tests.oauth.conftest import MakeSignedIn
from tests.oauth.flow import AUTHORIZE, CALLBACK, REGISTER, Client, register

TRICKS = {
    "suffix of the host": "https://claude.ai.evil.example/api/mcp/auth_callback",
    "prefix of the host": "https://evilclaude.ai/api/mcp/auth_callback",
    "sub-domain": "https://evil.claude.ai/api/mcp/auth_callback",
    "suffix of the path": "https://claude.ai/api/mcp/auth_callback/evil",
    "user name": "https://claude.ai@evil.example/api/mcp/auth_callback",
    "user name and password": "https://claude.ai:443@evil.example/api/mcp/auth_callback",
    "fragment": "https://claude.ai/api/mcp/auth_callback#",
    "query": "https://claude.ai/api/mcp/auth_callback?next=https://evil.example",
    "dots": "https://claude.ai/api/mcp/auth_callback/../../../evil",
    "encoded dots": "https://claude.ai/api/mcp/auth_callback/%2e%2e/evil",
    "encoded slash": "https://claude.ai/api/mcp%2fauth_callback",
    "backslash": "https://claude.ai\\@evil.example/api/mcp/auth_callback",
    "case of the host": "https://CLAUDE.AI/api/mcp/auth_callback",
    "case of the path": "https://claude.ai/API/mcp/auth_callback",
    "port": "https://claude.ai:8443/api/mcp/auth_callback",
    "default port": "https://claude.ai:443/api/mcp/auth_callback",
    "http": "http://claude.ai/api/mcp/auth_callback",
    "javascript": "javascript:alert(1)//claude.ai/api/mcp/auth_callback",
    "data": "data:text/html,https://claude.ai/api/mcp/auth_callback",
    "homograph": "https://clаude.ai/api/mcp/auth_callback",  # noqa: RUF001 - Cyrillic on purpose
    "punycode": "https://xn--clude-4nf.ai/api/mcp/auth_callback",
    "protocol-relative": "//claude.ai/api/mcp/auth_callback",
    "trailing dot": "https://claude.ai./api/mcp/auth_callback",
    "line break": "https://claude.ai/api/mcp/auth_callback\r\nSet-Cookie: a=b",
}


@pytest.mark.slow
@pytest.mark.parametrize("redirect_uri", TRICKS.values(), ids=list(TRICKS))
async def test_a_redirect_that_was_not_registered_is_never_followed(
    redirect_uri: str,
    browser: Browser,
    client: Client,
    sign_in_as: MakeSignedIn,
    scene: Scene,
) -> None:
    """RFC 9700 §2.1 and §4.1, RFC 6749 §3.1.2.3: compared as strings, told to the person."""
    await sign_in_as()
    await scene.begin()
    response = await browser.get(client.authorize_url(redirect_uri=redirect_uri))
    await scene.refused(response, status=400, reason="did not register")
    assert "did not register" in Page(response.text).text


@pytest.mark.parametrize(
    "redirect_uri",
    [
        "http://localhost.evil.example:1/callback",
        "http://localhost:1@evil.example/callback",
        "http://127.0.0.1.evil.example/callback",
        "http://127.0.0.2/callback",
        "http://localhost:1/callback/../other",
        "http://[::ffff:127.0.0.1]/callback",
        "http://2130706433/callback",
    ],
)
async def test_only_the_port_of_a_loopback_redirect_is_free(
    redirect_uri: str,
    browser: Browser,
    api: httpx2.AsyncClient,
    sign_in_as: MakeSignedIn,
    scene: Scene,
) -> None:
    """RFC 8252 §7.3 and §8.3."""
    await sign_in_as()
    client = await register(api, redirect_uris=["http://localhost/callback"])
    await scene.begin()
    response = await browser.get(client.authorize_url(redirect_uri=redirect_uri))
    await scene.refused(response, status=400, reason="did not register")


async def test_an_error_is_no_open_redirect(
    browser: Browser, client: Client, sign_in_as: MakeSignedIn, scene: Scene
) -> None:
    """RFC 9700 §4.11.2: a broken request with a foreign redirect stays here."""
    await sign_in_as()
    await scene.begin()
    url = client.authorize_url(redirect_uri="https://evil.example/", response_type="nonsense")
    response = await browser.get(url)
    await scene.refused(response, status=400, reason="did not register")


@pytest.mark.parametrize("who", ["a member", "nobody"])
@pytest.mark.parametrize(
    "redirect_uri", ["https://phishing.example/callback", "evil://phishing.example/callback"]
)
async def test_a_broken_request_leads_nobody_to_where_a_stranger_wants_them(
    redirect_uri: str,
    who: str,
    browser: Browser,
    api: httpx2.AsyncClient,
    sign_in_as: MakeSignedIn,
    scene: Scene,
) -> None:
    """RFC 9700 §4.11.2: anybody registers, so the person goes on by themselves or not at all."""
    if who == "a member":
        await sign_in_as()
    client = await register(api, redirect_uris=[redirect_uri])
    await scene.begin()
    response = await browser.get(client.authorize_url(scope="nonsense"))
    audited = who == "a member"
    await scene.refused(response, status=400, reason="scope is invalid", audited=audited)
    text = Page(response.text).text
    assert "only if you started this yourself" in text
    assert "phishing.example" in text or "evil:" in text
    assert f'href="{redirect_uri}?error=invalid_scope' in response.text


async def test_what_a_role_cannot_allow_leads_nobody_there_either(
    browser: Browser, api: httpx2.AsyncClient, sign_in_as: MakeSignedIn, scene: Scene
) -> None:
    """RFC 9700 §4.11.2: that nothing can be allowed is told before the browser goes anywhere."""
    await sign_in_as(Role.VIEWER)
    client = await register(api, redirect_uris=["https://phishing.example/callback"])
    url = client.authorize_url(scope="mcp.acknowledge")
    await scene.begin()
    response = await browser.get(url)
    assert "location" not in response.headers
    assert "Nothing can be allowed here" in Page(response.text).text
    form = Page(response.text).form(AUTHORIZE, field="csrf_token")
    assert "allow" not in form.decisions
    response = await browser.submit(form, decision="allow")
    await scene.refused(response, status=400, reason="ticking the box", audited=True)


async def test_two_redirects_in_one_request_are_refused(
    browser: Browser, client: Client, sign_in_as: MakeSignedIn, scene: Scene
) -> None:
    """RFC 6749 §3.1: parameter pollution; the check and the redirect could read different ones."""
    await sign_in_as()
    await scene.begin()
    url = client.authorize_url() + "&redirect_uri=https%3A%2F%2Fevil.example%2F"
    response = await browser.get(url)
    await scene.refused(response, status=400, reason="twice")


@pytest.mark.parametrize(
    "redirect_uri",
    ["javascript:alert(1)", "data:text/html,x", "http://evil.example/", "https://a@evil.example/"],
)
async def test_a_dangerous_redirect_cannot_be_registered(
    redirect_uri: str, api: httpx2.AsyncClient, scene: Scene
) -> None:
    """RFC 7591 §5 and RFC 9700 §4.1."""
    await scene.begin()
    response = await api.post(REGISTER, json={"redirect_uris": [redirect_uri]})
    await scene.refused(response, status=400, error="invalid_redirect_uri", reason="redirect_uris")


async def test_mix_up_shows_because_every_answer_names_its_issuer(
    browser: Browser, client: Client, sign_in_as: MakeSignedIn, scene: Scene
) -> None:
    """RFC 9207 §2 and RFC 9700 §4.4: a client that compares `iss` does not send our code on."""
    await sign_in_as()
    await scene.begin()
    response = await browser.get(client.authorize_url(scope="nonsense"))
    await scene.refused(response, status=303, error="invalid_scope", reason="invalid_scope")
    assert response.headers["location"].startswith(CALLBACK)
    assert "iss=https%3A%2F%2Fapi.example.com" in response.headers["location"]


async def test_an_issuer_in_the_request_is_not_believed(
    browser: Browser, client: Client, sign_in_as: MakeSignedIn, scene: Scene
) -> None:
    """RFC 9207 §2.4: the issuer of the answer is ours whatever the request says."""
    await sign_in_as()
    await scene.begin()
    url = client.authorize_url(scope="nonsense", iss="https://evil.example")
    response = await browser.get(url)
    await scene.refused(response, status=303, error="invalid_scope", reason="invalid_scope")
    assert "evil.example" not in response.headers["location"]
