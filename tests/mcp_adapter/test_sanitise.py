"""The one point where text leaves through the connector."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_adapter.sanitise import MAX_TEXT_CHARACTERS, REDACTED, clean_json, clean_text, cleaner_of

HIDDEN = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    r"\U000e0000-\U000e007f]"
)
PIECES = st.sampled_from(
    [
        "mat_",
        "A" * 20,
        "AKIA",
        "Bearer ",
        "password=",
        "token=",
        'secret": "',
        "-----BEGIN RSA PRIVATE KEY-----",
        "-----END RSA PRIVATE KEY-----",
        "ghp_",
        "postgres://me:",
        "@db/",
        REDACTED,
        "\u202e",
        "\u200b",
        "\n",
        " ",
        "\\",
        "x" * 3_990,
    ]
)
TEXTS = st.one_of(st.text(), st.lists(st.one_of(PIECES, st.text(max_size=5))).map("".join))


@given(TEXTS)
def test_no_hidden_character_and_no_endless_text_leaves(text: str) -> None:
    cleaned = clean_text(text)
    assert HIDDEN.search(cleaned) is None
    assert len(cleaned) <= MAX_TEXT_CHARACTERS


@given(TEXTS)
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    cleaned = clean_text(text)
    assert clean_text(cleaned) == cleaned


@given(st.text(alphabet=st.characters(categories=["L", "N"]), max_size=200))
def test_letters_and_digits_of_any_script_are_unchanged(text: str) -> None:
    if HIDDEN.search(text) or re.search(r"[\u115f\u1160\u3164\uffa0]|AKIA|ASIA", text):
        return
    assert clean_text(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "Disk /var is 93 % full (limit 90 %)",
        "Accepted password for root from 203.0.113.7 port 51234 ssh2",
        "token: expired",
        "https://example.com:8443/a@b",
        "DEV-2026-0441",
        "Größe überschritten — 東京の負荷 ✓",
        "WyJhbGVydHMiLDQsIjIwMjYtMDctMjhUMDg6MDA6MDBaIl0",
        "bearer of bad news",
    ],
)
def test_ordinary_text_is_unchanged(text: str) -> None:
    assert clean_text(text) == text


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("web\u202e10-bew", "web\\u202e10-bew"),
        ("ze\u200bro\u2060width\ufeff", "ze\\u200bro\\u2060width\\ufeff"),
        ("one\ntwo\r\nthree\u2028four", "one\\ntwo\\r\\nthree\\u2028four"),
        ("\x1b[31mred\x00", "\\u001b[31mred\\u0000"),
        ("a\U000e0041b", "a\\U000e0041b"),
    ],
)
def test_what_cannot_be_seen_is_shown(text: str, cleaned: str) -> None:
    assert clean_text(text) == cleaned


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("leaked mat_0123456789abcdefABCDEF today", "leaked [redacted] today"),
        ("mrt_0123456789abcdefABCDEF", "[redacted]"),
        ("key mak_0123456789abcdefABCDEF", "key [redacted]"),
        ("token met_0123456789abcdefABCDEF", "token [redacted]"),
        ("id AKIAIOSFODNN7EXAMPLE.", "id [redacted]."),
        ("ghp_0123456789abcdefghijABCDEFGHIJ012345", "[redacted]"),
        ("Authorization: Bearer abc.def-ghi_123", "Authorization: Bearer [redacted]"),
        ("mysql -u root --password=hunter2 db", "mysql -u root --password=[redacted] db"),
        ('{"password": "hunter2", "a": 1}', '{"password": "[redacted]", "a": 1}'),
        ("postgres://me:hunter2@db/app", "postgres://me:[redacted]@db/app"),
        (
            "a -----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY----- b",
            "a [redacted] b",
        ),
        ("-----BEGIN OPENSSH PRIVATE KEY----- b3Bl and no end", "[redacted]"),
    ],
)
def test_credentials_are_taken_out(text: str, cleaned: str) -> None:
    assert clean_text(text) == cleaned


def test_long_text_says_that_it_was_cut() -> None:
    cleaned = clean_text("x" * (MAX_TEXT_CHARACTERS + 1))
    assert len(cleaned) == MAX_TEXT_CHARACTERS
    assert cleaned.endswith("x… [cut]")


def test_results_lose_their_nulls_and_foreign_keys_are_cleaned_too() -> None:
    clean = cleaner_of(
        {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "note": {"type": "string"},
                "id": {"type": "string", "format": "uuid"},
                "rows": {
                    "type": "array",
                    "items": {"type": "object", "properties": {"metadata": {"type": "object"}}},
                },
            },
        }
    )
    assert clean is not None
    assert clean(
        {
            "name": "a\nb",
            "note": None,
            "id": "1",
            "rows": [{"metadata": {"a\u202eb": ["c\u200bd", None, 1, True], "gone": None}}],
        }
    ) == {
        "name": "a\\nb",
        "id": "1",
        "rows": [{"metadata": {"a\\u202eb": ["c\\u200bd", None, 1, True]}}],
    }


def test_a_list_without_free_text_needs_no_cleaning() -> None:
    assert cleaner_of({"type": "array", "items": {"enum": ["a"]}}) is None
    assert clean_json(1) == 1
