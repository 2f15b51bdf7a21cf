"""The languages that pages come in: German for who asks for it, English for everybody else.

English stands in the templates and in the code, where a reader needs it. Beside each set of pages
a `de.toml` holds the German of each text; tests find texts without German, and German without text.
"""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

DEFAULT = "en"
LANGUAGES = (DEFAULT, "de")


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
def catalogue(package: str, name: str) -> Mapping[str, str]:
    """Return the texts of one language by the English ones, for the pages of this package."""
    if name == DEFAULT:
        return {}
    return tomllib.loads((files(package) / "pages" / f"{name}.toml").read_text("utf-8"))


def _quality(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return min(1.0, float(value))
    except ValueError:
        return 0.0
