"""The article's "Discovery" and "Registration", field by field and byte by byte."""

import orjson

from hub.settings import Settings
from tests.acceptance import article
from tests.running_hub import RunningHub


def at_this_hub(printed: str, settings: Settings) -> str:
    """Return the article's text with the origins of the hub under test."""
    printed = printed.replace(article.API_ORIGIN, settings.api_origin)
    return printed.replace(article.APP_ORIGIN, settings.public_app_origin)


async def test_the_discovery_document_says_what_the_article_prints(hub: RunningHub) -> None:
    printed = orjson.loads(at_this_hub(article.DISCOVERY_DOCUMENT, hub.settings))

    response = await hub.http.get(f"{hub.origin}/.well-known/oauth-authorization-server")

    assert response.status_code == 200
    assert response.headers["content-type"].split(";")[0] == "application/json"
    document = response.json()
    assert {name: document.get(name) for name in printed} == printed


async def test_the_articles_registration_makes_a_public_client(hub: RunningHub) -> None:
    response = await hub.http.post(
        f"{hub.origin}/mcp/oauth/register",
        content=article.REGISTRATION_BODY,
        headers={"Content-Type": "application/json"},
    )

    assert response.status_code == 201
    client = response.json()
    assert client["client_id"].startswith("mcp_")
    assert "client_secret" in client
    assert client["client_secret"] is None
    sent = orjson.loads(article.REGISTRATION_BODY)
    assert {name: client[name] for name in sent} == sent


async def test_each_registration_is_a_client_of_its_own(hub: RunningHub) -> None:
    answers = [
        await hub.http.post(
            f"{hub.origin}/mcp/oauth/register",
            content=article.REGISTRATION_BODY,
            headers={"Content-Type": "application/json"},
        )
        for _ in range(2)
    ]

    assert len({answer.json()["client_id"] for answer in answers}) == 2
