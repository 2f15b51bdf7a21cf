"""Whom a limit counts against."""

import pytest
from fastapi import Request

from oauth.throttle import address_of


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("2001:db8::1", "2001:0db8:0000:0000"),
        ("2001:db8::ffff:1", "2001:0db8:0000:0000"),
        ("::ffff:203.0.113.9", "::ffff:203.0.113.9"),
        ("fe80::1%eth0", "fe80:0000:0000:0000"),
        ("a socket", "a socket"),
    ],
)
def test_one_customer_is_one_address(host: str, expected: str) -> None:
    assert address_of(Request({"type": "http", "client": (host, 1)})) == expected


def test_a_caller_without_an_address_counts_as_one() -> None:
    assert address_of(Request({"type": "http", "client": None})) == ""
