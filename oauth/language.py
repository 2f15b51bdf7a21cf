"""The language of the pages: German for who asks for it, English for everybody else.

English stands in the templates and in the code, where a reader needs it; `pages/de.toml` holds the
German of each text, all in one place. A test finds texts without German, and German without text.
"""

import tomllib
from contextvars import ContextVar
from functools import cache
from importlib.resources import files

from fastapi import Request

DEFAULT = "en"
LANGUAGES = (DEFAULT, "de")

_chosen: ContextVar[str] = ContextVar("monsys_language", default=DEFAULT)


async def choose_language(request: Request) -> None:
    """Remember the language of this request; a dependency of every page."""
    _chosen.set(negotiated(request.headers.get("accept-language", "")))


def language() -> str:
    """Return the language of the request that is being answered."""
    return _chosen.get()


def t(text: str, /, **values: object) -> str:
    """Return the text in the request's language, with its `{names}` filled in."""
    translated = catalogue(language()).get(text, text)
    return translated.format(**values) if values else translated


def negotiated(accept_language: str) -> str:
    """Return the language that is wanted most of those there are (RFC 9110 §12.5.4)."""
    best, best_quality = DEFAULT, 0.0
    for part in accept_language.split(",")[:20]:
        tag, _, parameters = part.partition(";")
        name = tag.strip().lower().partition("-")[0]
        quality = _quality(parameters)
        if name in LANGUAGES and quality > best_quality:
            best, best_quality = name, quality
    return best


@cache
def catalogue(name: str) -> dict[str, str]:
    """Return the texts of one language by the English ones."""
    if name == DEFAULT:
        return {}
    return tomllib.loads((files("oauth") / "pages" / f"{name}.toml").read_text("utf-8"))


def _quality(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return min(1.0, float(value))
    except ValueError:
        return 0.0
