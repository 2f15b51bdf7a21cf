"""What `monsys serve` says where several replicas would each count alone."""

import base64
from typing import Any

import pytest
from structlog.testing import capture_logs

from hub.cli.serve import warn_of_separate_limits
from hub.settings import Environment, Settings

PRODUCTION: dict[str, Any] = {
    "environment": Environment.PRODUCTION,
    "api_origin": "https://hub.example.com",
    "secret_key": base64.b64encode(bytes(32)).decode(),
}


def warned(**settings: Any) -> list[str]:
    with capture_logs() as logs:
        warn_of_separate_limits(Settings(**settings))
    return [log["event"] for log in logs]


def test_production_without_a_shared_store_is_told_what_is_counted_alone() -> None:
    assert warned(**PRODUCTION) == ["rate_limits_counted_by_each_process"]


@pytest.mark.parametrize(
    "settings", [{}, PRODUCTION | {"rate_limit_storage_url": "redis://store:6379"}]
)
def test_nothing_is_said_where_there_is_nothing_to_say(settings: dict[str, Any]) -> None:
    assert warned(**settings) == []
