"""The one point where text leaves through the connector.

Host names, titles and log lines are written by whoever controls a host, so they may try to look
like something else or to talk to the model. Characters that hide or rearrange text are shown as
what they are, lengths are bounded, and credentials that slipped into a text are taken out.
Clean text, which is nearly all of it, passes two cheap checks and is returned as it is.
"""

import re
from collections.abc import Callable
from typing import Any

MAX_TEXT_CHARACTERS = 4_000
_CUT = "… [cut]"
REDACTED = "[redacted]"

# Control characters with line ends, soft hyphen, bidi controls, zero-width and invisible
# characters, line separators, variation selectors and tag characters: what has no glyph of its own.
_FORBIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u2028-\u202e\u2060-\u206f\u3164\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    "\U000e0000-\U000e0fff]"
)
_SHORT_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}

# No pattern ends in a look-ahead: a text that was cut then never holds a match that the whole
# text did not hold, so that cleaning twice is cleaning once.
_SECRET = re.compile(
    r"(?P<whole>"
    r"(?<![A-Za-z0-9_-])(?:mat|met|mak|mrt)_[A-Za-z0-9_-]{16,}"  # this hub's own credentials
    r"|(?<![A-Za-z0-9])(?:AKIA|ASIA)[0-9A-Z]{16}"  # AWS access key ids
    r"|(?<![A-Za-z0-9])gh[pousr]_[A-Za-z0-9]{20,}"  # GitHub tokens
    r"|(?<![A-Za-z0-9])github_pat_[A-Za-z0-9_]{20,}"
    r"|(?<![A-Za-z0-9])xox[abeprs]-[A-Za-z0-9-]{10,}"  # Slack tokens
    r"|(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+"  # JWTs
    r"|-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----"
    r"(?:(?!-----END ).)*(?:-----END [A-Z0-9 ]{0,40}-----)?"
    r")"
    r"|(?P<bearer>[Bb]earer )[A-Za-z0-9._~+/=-]{8,}"
    r"|(?P<named>(?i:password|passwd|pwd|secret|api[_-]?key|access[_-]?key|token)"
    r"(?:=|[\"']: ?[\"']))[^\s\"'&,;]+"
    r"|(?P<url>[a-z][a-z0-9+.-]{1,20}://[^\s/:@]{1,100}:)[^\s/@]{1,200}@"
)


# A text without any of these holds no secret; looking for them costs a tenth of the pattern.
_EXACT_HINTS = (
    *("mat_", "met_", "mak_", "mrt_", "AKIA", "ASIA", "ghp_", "gho_", "ghu_", "ghs_", "ghr_"),
    *("github_pat_", "xox", "eyJ", "-----BEGIN", "earer ", "://"),
)
_NAMED_HINTS = ("passw", "pwd", "secret", "key", "token")

type Cleaner = Callable[[Any], Any]


def clean_text(text: str) -> str:
    """Return the text fit to leave: nothing hidden, nothing secret, not too long."""
    if not text.isprintable():
        # Not every unprintable character is forbidden (a no-break space is not).
        text = _FORBIDDEN.sub(_visible, text)
    if any(map(text.__contains__, _EXACT_HINTS)) or any(
        map(text.lower().__contains__, _NAMED_HINTS)
    ):
        text = _SECRET.sub(_redacted, text)
    if len(text) > MAX_TEXT_CHARACTERS:
        return text[: MAX_TEXT_CHARACTERS - len(_CUT)] + _CUT
    return text


def clean_json(value: Any) -> Any:
    """Return a value of unknown shape without nulls and with clean text, keys included."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, dict):
        return {
            clean_text(key): clean_json(item) for key, item in value.items() if item is not None
        }
    if isinstance(value, list):
        return [clean_json(item) for item in value]
    return value


def cleaner_of(schema: dict[str, Any]) -> Cleaner | None:
    """Return what cleans a value of this output schema; None when nothing in it can be foreign.

    Numbers, ids, instants and enum values are made by us from typed columns; only free text is
    worth a look, which makes cleaning a page of alerts several times cheaper.
    """
    if "properties" in schema:
        return _object_cleaner(schema["properties"])
    match schema.get("type"):
        case "object":
            return clean_json
        case "array":
            return _list_cleaner(cleaner_of(schema["items"]))
        case "string" if "format" not in schema:
            return clean_text
        case _:
            return None


def _list_cleaner(item: Cleaner | None) -> Cleaner | None:
    if item is None:
        return None
    return lambda values: [item(value) for value in values if value is not None]


def _object_cleaner(properties: dict[str, dict[str, Any]]) -> Cleaner:
    cleaners = [(name, cleaner_of(schema)) for name, schema in properties.items()]

    def clean(value: dict[str, Any]) -> dict[str, Any]:
        cleaned: dict[str, Any] = {}
        for name, cleaner in cleaners:
            item = value[name]
            if item is not None:
                cleaned[name] = cleaner(item) if cleaner else item
        return cleaned

    return clean


def _visible(match: re.Match[str]) -> str:
    character = match[0]
    if character in _SHORT_ESCAPES:
        return _SHORT_ESCAPES[character]
    number = ord(character)
    return f"\\u{number:04x}" if number < 1 << 16 else f"\\U{number:08x}"


def _redacted(match: re.Match[str]) -> str:
    if match["whole"] is not None:
        return REDACTED
    if match["url"] is not None:
        return f"{match['url']}{REDACTED}@"
    return f"{match['bearer'] or match['named']}{REDACTED}"
