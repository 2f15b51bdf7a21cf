"""`monsys oauth trace` and `monsys keys`, as an operator runs them."""

import asyncio
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hub.cli import app
from hub.database import Database
from hub.embedded import EmbeddedPostgres
from hub.secret_keys import new_key
from oauth.models import StepKind
from oauth.tokens import new_client_id
from oauth.trace import Step, store_step


@pytest.fixture
def monsys(
    postgres: EmbeddedPostgres,
    database_name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> CliRunner:
    """Return the command line, pointed at this worker's database."""
    monkeypatch.setenv("MONSYS_DATABASE_URL", postgres.hub_url(database_name))
    monkeypatch.setenv("MONSYS_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    return CliRunner()


def test_a_trace_of_nothing_says_so(monsys: CliRunner) -> None:
    result = monsys.invoke(app, ["oauth", "trace", "--client", "mcp_nobody"])
    assert (result.exit_code, result.output) == (0, "Nothing happened in that time.\n")


def test_a_kept_key_is_rotated_and_the_former_one_honoured(monsys: CliRunner) -> None:
    before = monsys.invoke(app, ["keys", "list"]).output.splitlines()
    rotated = monsys.invoke(app, ["keys", "rotate"])
    after = monsys.invoke(app, ["keys", "list"]).output.splitlines()
    assert rotated.exit_code == 0
    old = before[0].split()[0]
    assert [line.split(maxsplit=1)[1] for line in after] == ["current", "former, honoured"]
    assert after[1].split()[0] == old
    assert after[0].split()[0] in rotated.output


def test_a_configured_key_is_the_operators_to_replace(
    monsys: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = new_key()
    monkeypatch.setenv("MONSYS_SECRET_KEY", key)
    result = monsys.invoke(app, ["keys", "rotate"])
    assert result.exit_code == 0
    assert "MONSYS_FORMER_SECRET_KEYS" in result.output
    assert key not in result.output


def test_the_credentials_of_resource_servers_are_printed(monsys: CliRunner) -> None:
    first, second = [monsys.invoke(app, ["keys", "introspection"]).output for _ in range(2)]
    assert first.startswith("monsys-resource-server:")
    assert first == second


def test_a_trace_shows_each_step_with_its_reason(
    monsys: CliRunner, postgres: EmbeddedPostgres, database_name: str
) -> None:
    client_id = new_client_id()

    async def refuse() -> None:
        database = Database(postgres.hub_url(database_name), pool_size=2)
        async with database.transaction() as session:
            details = {"error": "invalid_grant", "reason": "The code is unknown."}
            step = Step(StepKind.REFUSED, client_id, request_id="ab" * 16, details=details)
            await store_step(session, step=step)
        await database.close()

    asyncio.run(refuse())
    for options in (["--client", client_id], ["--request", "ab" * 16]):
        result = monsys.invoke(app, ["oauth", "trace", *options])
        (line,) = result.output.splitlines()
        assert line.split()[1:4] == ["refused", client_id, "ab" * 16]
        assert line.endswith("error=invalid_grant reason=The code is unknown.")
