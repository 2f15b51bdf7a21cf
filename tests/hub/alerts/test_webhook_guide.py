"""The guide's snippet takes what the hub signs, and nothing else."""

import re
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from hub.alerts.webhooks import signing
from hub.clock import utc_now

GUIDE = Path(signing.__file__).with_name("README.md")
BODY = b'{"event": "test"}'

type Check = Callable[[str, Mapping[str, str], bytes], bool]


@pytest.fixture(scope="module")
def is_from_monsys() -> Check:
    """Return the function that the guide prints."""
    found = re.search(r"```python\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    assert found is not None
    names: dict[str, Any] = {}
    exec(found[1], names)  # noqa: S102 - our own guide, to see that it works
    check: Check = names["is_from_monsys"]
    return check


def headers(*secrets: str, age: timedelta = timedelta()) -> dict[str, str]:
    """Return what the hub sends along."""
    return signing.signed_headers(
        secrets, delivery="1", event="test", body=BODY, at=utc_now() - age
    )


def test_what_the_hub_signs_is_taken_also_while_its_secret_changes(is_from_monsys: Check) -> None:
    old, new = signing.new_secret(), signing.new_secret()
    assert is_from_monsys(new, headers(new), BODY)
    assert is_from_monsys(new, headers(new, old), BODY)
    assert is_from_monsys(old, headers(new, old), BODY)


def test_nothing_else_is_taken(is_from_monsys: Check) -> None:
    secret = signing.new_secret()
    told = headers(secret)
    assert not is_from_monsys(signing.new_secret(), told, BODY)
    assert not is_from_monsys(secret, told, BODY + b" ")
    assert not is_from_monsys(secret, headers(secret, age=timedelta(minutes=6)), BODY)
    later = told | {"X-Monsys-Timestamp": str(int(time.time()) + 1)}
    assert not is_from_monsys(secret, later, BODY)
