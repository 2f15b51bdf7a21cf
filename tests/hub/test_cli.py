"""The command line: help that helps, and failures that say what to do, in one line."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

import pyotp
import pytest

from hub.cli.demo_sign_in import DemoSignIn
from hub.cli.lazy import _MODULES
from hub.embedded import EmbeddedPostgres
from hub.opaque_tokens import is_well_formed
from hub.settings import Settings
from hub.tenancy.password_policy import TOO_CLOSE, TOO_COMMON, TOO_LONG, TOO_SHORT, TOO_WEAK
from hub_schema.operations import operations
from tests.running_hub import free_port


def monsys(
    *arguments: str, data_dir: Path, text_in: str | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "MONSYS_DATA_DIR": str(data_dir),
        "COLUMNS": "200",
        "NO_COLOR": "1",
    }
    return subprocess.run(
        [sys.executable, "-m", "hub.cli", *arguments],
        capture_output=True,
        text=True,
        check=False,
        input=text_in,
        timeout=120,
        env=environment | variables,
    )


def refusal(result: subprocess.CompletedProcess[str]) -> str:
    """Return the one line of a command that failed."""
    assert result.returncode == 1, result
    assert "Traceback" not in result.stderr
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, lines
    return lines[0]


def test_help_names_every_command(tmp_path: Path) -> None:
    result = monsys("--help", data_dir=tmp_path)
    assert result.returncode == 0
    assert [name for name in _MODULES if f"│ {name}" in result.stdout] == list(_MODULES)


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        "demo",
        "serve",
        "migrate",
        "user add",
        "tenant list",
        "tenant plan",
        "ingest key create",
        "agent token",
        "agent enroll",
        "agent run",
        "agent status",
        "agent unit",
        "agent example-config",
        "agent plant",
        "agent uninstall",
        "audit verify",
        "egress",
        "seed",
    ],
)
def test_each_command_explains_itself_with_examples(tmp_path: Path, command: str) -> None:
    result = monsys(*command.split(), "--help", data_dir=tmp_path)
    assert result.returncode == 0
    assert "Examples" in result.stdout
    assert f"monsys {command}" in result.stdout


@pytest.mark.slow
def test_options_that_commands_share_keep_their_help(tmp_path: Path) -> None:
    text = " ".join(monsys("ingest", "key", "list", "--help", data_dir=tmp_path).stdout.split())
    assert "--tenant <str> Name or short name; not needed when there is only one." in text
    assert "--data-dir <path> Folder of the embedded database" in text


@pytest.mark.slow
def test_there_is_no_one_time_code_where_there_is_no_demo(tmp_path: Path) -> None:
    line = refusal(monsys("demo", "--code", data_dir=tmp_path))
    assert line == "monsys: This folder holds no demo yet. Start it with `monsys demo`."
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_one_time_code_is_that_of_the_folders_own_secret(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    folder.mkdir()
    code = monsys("demo", "--code", data_dir=tmp_path).stdout.strip()
    secret = DemoSignIn.of(Settings(data_dir=folder, _env_file=None)).totp_secret
    assert pyotp.TOTP(secret).verify(code, valid_window=1)


@pytest.mark.slow
def test_egress_lists_every_field_of_every_tool(tmp_path: Path) -> None:
    result = monsys("egress", "--format", "json", data_dir=tmp_path)
    listed = json.loads(result.stdout)
    assert list(listed["tools"]) == list(operations("mcp"))
    assert {
        (tool, entry["schema"]) for tool, entries in listed["tools"].items() for entry in entries
    } == {
        (name, field.coordinate)
        for name, operation in operations("mcp").items()
        for field in operation.fields
        if field.is_leaf
    }
    passing = {entry["class"] for entries in listed["tools"].values() for entry in entries}
    assert passing.isdisjoint(listed["classes_that_never_pass"])


@pytest.mark.slow
def test_egress_refuses_a_tool_that_does_not_exist(tmp_path: Path) -> None:
    result = monsys("egress", "--tool", "monsys_reboot", data_dir=tmp_path)
    assert result.returncode == 2
    assert "There is no such tool" in result.stderr


@pytest.mark.slow
@pytest.mark.parametrize("command", ["serve", "demo"])
def test_a_port_in_use_is_said_at_once(tmp_path: Path, command: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = refusal(monsys(command, "--port", str(port), data_dir=tmp_path))
    assert line == (
        f"monsys: Port {port} is in use. Choose another with --port, or --port 0 for any free one."
    )
    assert not (tmp_path / "postgres").exists()


@pytest.mark.slow
def test_a_data_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    line = refusal(monsys("demo", "--port", "0", "--data-dir", str(file), data_dir=tmp_path))
    assert line == f"monsys: {file} is not a folder. Choose another with --data-dir."


@pytest.mark.slow
@pytest.mark.parametrize("command", ["serve --port 0", "audit verify", "migrate"])
def test_a_database_that_is_away_is_said_to_be(tmp_path: Path, command: str) -> None:
    url = "postgresql://nobody@127.0.0.1:1/monsys"
    result = monsys(
        *command.split(),
        data_dir=tmp_path,
        MONSYS_DATABASE_URL=url,
        MONSYS_DATABASE_OWNER_URL=url,
    )
    assert refusal(result).startswith("monsys: The database does not answer. Check MONSYS_DATABASE")


def test_a_database_that_is_not_migrated_is_refused(
    tmp_path: Path, postgres: EmbeddedPostgres, database_name: str
) -> None:
    assert database_name  # its making made the hub's role
    result = monsys(
        "serve", "--port", "0", data_dir=tmp_path, MONSYS_DATABASE_URL=postgres.hub_url("template1")
    )
    assert refusal(result) == (
        "monsys: The database was never migrated. Run `monsys migrate` first."
    )


def test_a_role_that_could_read_across_tenants_is_refused(
    tmp_path: Path, postgres: EmbeddedPostgres, database_name: str
) -> None:
    url = postgres.owner_url(database_name)
    line = refusal(monsys("serve", "--port", "0", data_dir=tmp_path, MONSYS_DATABASE_URL=url))
    assert line.startswith("monsys: The role of MONSYS_DATABASE_URL can bypass row-level security")


@pytest.mark.slow
def test_a_setting_that_is_wrong_is_named(tmp_path: Path) -> None:
    line = refusal(monsys("serve", data_dir=tmp_path, MONSYS_API_ORIGIN="api.example.com"))
    assert line == "monsys: MONSYS_API_ORIGIN: must be an origin such as https://api.example.com."


@pytest.mark.slow
def test_a_tenant_is_made_with_its_first_user_and_its_trail_verifies(
    tmp_path: Path, postgres: EmbeddedPostgres, database_name: str
) -> None:
    url = postgres.hub_url(database_name)
    made = monsys(
        *("user", "add", "Ada@Example.com", "--tenant", "Cli Test", "--totp", "--password-stdin"),
        data_dir=tmp_path,
        text_in="blue lamp tower seven\n",
        MONSYS_DATABASE_URL=url,
    )
    assert made.returncode == 0, made.stderr
    first, second = made.stdout.splitlines()
    assert first == "ada@example.com is owner of cli-test."
    assert second.startswith("TOTP secret (shown once): ")

    again = monsys(
        *("user", "add", "ada@example.com", "--tenant", "cli-test", "--password-stdin"),
        data_dir=tmp_path,
        text_in="blue lamp tower seven\n",
        MONSYS_DATABASE_URL=url,
    )
    assert "has an account already" in refusal(again)

    key = tmp_path / "web-01.token"
    token = monsys(
        *("agent", "token", "web-01", "--tenant", "cli-test", "--tag", "env:test"),
        *("--out", str(key)),
        data_dir=tmp_path,
        MONSYS_DATABASE_URL=url,
    )
    assert token.returncode == 0, token.stderr
    assert is_well_formed(key.read_text().strip(), "met_")
    assert key.stat().st_mode & 0o777 == 0o600

    raised = monsys(
        *("tenant", "plan", "cli-test", "--servers", "50", "--name", "team"),
        data_dir=tmp_path,
        MONSYS_DATABASE_URL=url,
    )
    assert raised.stdout == "The plan team of cli-test covers 50 servers.\n", raised.stderr

    verified = monsys(
        "audit", "verify", "--tenant", "cli-test", data_dir=tmp_path, MONSYS_DATABASE_URL=url
    )
    assert (verified.returncode, verified.stdout) == (0, "cli-test: 4 rows, intact\n")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("password", "weakness"),
    [
        ("short", TOO_SHORT),
        ("x" * 1025, TOO_LONG),
        ("correct horse battery staple", TOO_COMMON),
        ("aaaaaaaaaaaaaaaa", TOO_WEAK),
        ("northwind-ada-1", TOO_CLOSE),
    ],
)
def test_a_password_must_be_as_good_as_at_sign_up(
    password: str, weakness: str, tmp_path: Path
) -> None:
    result = monsys(
        *("user", "add", "ada@example.com", "--tenant", "Northwind", "--password-stdin"),
        data_dir=tmp_path,
        text_in=f"{password}\n",
    )
    assert refusal(result) == f"monsys: {weakness}"
    assert list(tmp_path.iterdir()) == []  # refused before anything was started


@pytest.mark.slow
@pytest.mark.parametrize("command", ["run", "status"])
def test_a_machine_that_is_not_enrolled_is_told_how(tmp_path: Path, command: str) -> None:
    line = refusal(
        monsys("agent", command, "--state-dir", str(tmp_path / "agent"), data_dir=tmp_path)
    )
    assert line == (
        "monsys: This machine is not enrolled. Make a token on the hub with `monsys agent token`,"
        " then run `monsys agent enroll --url https://… --token met_…` here."
    )


@pytest.mark.slow
@pytest.mark.parametrize("options", [[], ["--token", "met_x", "--token-file", "x"]])
def test_enrolling_takes_one_token(tmp_path: Path, options: list[str]) -> None:
    command = ["agent", "enroll", "--url", "https://hub.example.com", *options]
    line = refusal(monsys(*command, "--state-dir", str(tmp_path / "agent"), data_dir=tmp_path))
    assert line == "monsys: Give the token with either --token or --token-file."


def test_the_unit_starts_this_installation_and_is_one_that_systemd_takes(tmp_path: Path) -> None:
    printed = monsys("agent", "unit", data_dir=tmp_path).stdout
    program = Path(sys.executable).with_name("monsys")
    assert f"ExecStart={program} agent run --state-dir /var/lib/monsys-agent" in printed
    assert f"ExecStartPre=-+{program} agent plant\n" in printed
    for limit in (
        "MemoryMax=60M",
        "ProtectSystem=strict",
        "NoNewPrivileges=yes",
        "DynamicUser=yes",
    ):
        assert f"\n{limit}\n" in printed
    if shutil.which("systemd-analyze"):
        unit = tmp_path / "monsys-agent.service"
        unit.write_text(printed)
        verified = subprocess.run(
            ["systemd-analyze", "verify", str(unit)], check=False, capture_output=True, text=True
        )
        assert (verified.returncode, verified.stderr) == (0, "")


def test_the_agent_does_not_load_the_hub() -> None:
    code = (
        "import sys, hub.cli.agent, hub.agent.enrol, hub.agent.runner, hub.agent.status_page,"
        " hub.agent.uninstall, hub.agent.watching;"
        "heavy = {'sqlalchemy', 'sqlmodel', 'fastapi', 'starlette', 'strawberry', 'graphql',"
        " 'pydantic', 'asyncpg', 'orjson', 'limits'};"
        "sys.exit(','.join(heavy & set(sys.modules)) or 0)"
    )
    loaded = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True)
    assert (loaded.returncode, loaded.stderr) == (0, b"")


@pytest.mark.slow
def test_a_hub_that_is_terminated_takes_its_postgresql_along(tmp_path: Path) -> None:
    assert monsys("migrate", data_dir=tmp_path).returncode == 0
    port = free_port()
    command = [sys.executable, "-m", "hub.cli", "serve", "--port", str(port)]
    environment = {"PATH": os.environ["PATH"], "MONSYS_DATA_DIR": str(tmp_path)}
    with (tmp_path / "hub.log").open("w") as log:
        hub = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 60
        while not serves(port) and time.monotonic() < deadline:
            time.sleep(0.1)
        running = tmp_path / "postgres" / "postmaster.pid"
        assert running.exists(), (tmp_path / "hub.log").read_text()
        hub.terminate()
        assert hub.wait(timeout=30) == 0
        assert not running.exists()
    finally:
        hub.kill()


def serves(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
