"""Which passwords are good enough: by how many guesses they withstand, not by what is in them."""

import asyncio
import re
import unicodedata
from collections.abc import Iterable
from functools import cache
from threading import Lock

from hub.tenancy.passwords import MAX_PASSWORD_CHARACTERS

MIN_PASSWORD_CHARACTERS = 12
TOO_SHORT = "A password needs at least 12 characters. A few words that are no saying do well."
TOO_LONG = "A password may have at most 1024 characters."
TOO_COMMON = "This password is on the lists that attackers try first. Choose another."
TOO_CLOSE = (
    "This password is made of your address, your organisation or this service. Choose another."
)
TOO_WEAK = "This password can be guessed too quickly. Make it longer, or choose words at random."

# 0 to 4; 3 stands for more than 10^8 guesses, which argon2id makes years of.
_SUFFICIENT_SCORE = 3
_ESTIMATED_CHARACTERS = 72  # the estimate takes time that grows with the length
_SERVICE_WORDS = ("monsys", "trust score", "trustscore")
# Famous for being good passwords, and tried for that.
_FAMOUS = (
    "correct horse battery staple",
    "correcthorsebatterystaple",
    "tr0ub4dor&3",
    "password password password",
    "letmein letmein",
    "iloveyou iloveyou",
    "this is a password",
    "thisisapassword",
    "my voice is my password",
    "changeme changeme",
)
_SEPARATORS = re.compile(r"[\W_]+")
_TRAILING = re.compile(r"[\W\d_]+$")
# zxcvbn keeps what it is working on in a module-wide dictionary.
_one_at_a_time = Lock()


async def weakness_of(password: str, *, known: Iterable[str]) -> str | None:
    """Return what is wrong with the password, None when nothing is.

    `known` is what anybody knows of the person: their address, their name, their organisation.
    """
    return await asyncio.to_thread(blocking_weakness_of, password, known=tuple(known))


def blocking_weakness_of(password: str, *, known: Iterable[str]) -> str | None:
    """Return the same, on the caller's own time: for commands."""
    if len(password) < MIN_PASSWORD_CHARACTERS:
        return TOO_SHORT
    if len(password) > MAX_PASSWORD_CHARACTERS:
        return TOO_LONG
    plain = unicodedata.normalize("NFKC", password).casefold()
    if not _denied().isdisjoint({plain, _TRAILING.sub("", plain), _SEPARATORS.sub("", plain)}):
        return TOO_COMMON
    rest = plain
    for word in sorted(_words(known), key=len, reverse=True):
        rest = rest.replace(word, "")
    if _score(plain) < _SUFFICIENT_SCORE:
        return TOO_WEAK
    if rest != plain and _score(rest) < _SUFFICIENT_SCORE:
        return TOO_CLOSE
    return None


def _score(text: str) -> int:
    if not text:
        return 0
    from zxcvbn import zxcvbn  # noqa: PLC0415 - 12 MB of word lists, for who signs up

    with _one_at_a_time:
        return int(zxcvbn(text[:_ESTIMATED_CHARACTERS])["score"])


@cache
def _denied() -> frozenset[str]:
    from zxcvbn.frequency_lists import FREQUENCY_LISTS  # noqa: PLC0415 - as above

    return frozenset(FREQUENCY_LISTS["passwords"]).union(
        _FAMOUS, (_SEPARATORS.sub("", phrase) for phrase in _FAMOUS)
    )


def _words(known: Iterable[str]) -> set[str]:
    """Return the texts and their parts; parts of one or two letters stand in every password."""
    texts = [text.casefold() for text in (*known, *_SERVICE_WORDS)]
    parts = [part for text in texts for part in _SEPARATORS.split(text)]
    return {word for word in (*texts, *parts) if len(word) > 2}  # noqa: PLR2004 - said above
