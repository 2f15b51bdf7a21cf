"""The language of the account's pages and letters, by request.

A `ContextVar` carries it, because texts are made in many places between the route and the page.
"""

from contextvars import ContextVar

from fastapi import Request

from hub.language import DEFAULT, catalogue, negotiated

_chosen: ContextVar[str] = ContextVar("monsys_language", default=DEFAULT)


async def choose_language(request: Request) -> None:
    """Remember the language of this request; a dependency of every page."""
    _chosen.set(negotiated(request.headers.get("accept-language", "")))


def language() -> str:
    """Return the language of the request that is being answered."""
    return _chosen.get()


def t(text: str, /, **values: object) -> str:
    """Return the text in the request's language, with its `{names}` filled in."""
    translated = catalogue("oauth", language()).get(text, text)
    return translated.format(**values) if values else translated
