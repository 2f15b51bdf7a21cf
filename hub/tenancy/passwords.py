"""Passwords: argon2id, computed in threads so that a sign-in never stops the event loop."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

MAX_PASSWORD_CHARACTERS = 1024

# argon2-cffi's defaults are RFC 9106's second recommendation: 64 MiB, three passes, four lanes.
_HASHER = PasswordHasher()
# Each computation takes 64 MiB, so their number bounds what a flood of sign-ins can cost.
_THREADS = ThreadPoolExecutor(max_workers=2, thread_name_prefix="argon2")


def hash_password(password: str) -> str:
    """Return the argon2id hash. Blocking, tens of milliseconds: for commands and seeds."""
    return _HASHER.hash(password)


async def hash_password_in_thread(password: str) -> str:
    """Return the argon2id hash without holding up other requests."""
    return await asyncio.get_running_loop().run_in_executor(_THREADS, hash_password, password)


async def password_matches(password: str, stored_hash: str | None) -> bool:
    """Tell whether this is the password; without a stored hash, take as long and say no.

    The same work is done for people who do not exist, so the time of the answer does not tell
    which e-mail addresses have an account.
    """
    return await asyncio.get_running_loop().run_in_executor(
        _THREADS, _matches, password, stored_hash
    )


def _matches(password: str, stored_hash: str | None) -> bool:
    if len(password) > MAX_PASSWORD_CHARACTERS:
        password, stored_hash = "", None
    try:
        _HASHER.verify(stored_hash or _hash_of_nobody(), password)
    except (VerificationError, InvalidHashError):
        return False
    return stored_hash is not None


@cache
def _hash_of_nobody() -> str:
    return _HASHER.hash("the password of somebody who does not exist")
