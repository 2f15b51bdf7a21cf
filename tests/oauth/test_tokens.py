"""What tokens look like."""

from oauth.tokens import ACCESS_TOKEN_PREFIX, is_well_formed, new_token


def test_tokens_are_recognised_by_prefix_and_checksum() -> None:
    token = new_token(ACCESS_TOKEN_PREFIX)
    assert token.startswith("mat_")
    assert len(token) == 53
    assert is_well_formed(token, ACCESS_TOKEN_PREFIX)


def test_a_typing_error_shows() -> None:
    token = new_token(ACCESS_TOKEN_PREFIX)
    wrong = token[:10] + ("a" if token[10] != "a" else "b") + token[11:]
    assert not is_well_formed(wrong, ACCESS_TOKEN_PREFIX)


def test_no_two_tokens_are_the_same() -> None:
    assert len({new_token(ACCESS_TOKEN_PREFIX) for _ in range(1000)}) == 1000
