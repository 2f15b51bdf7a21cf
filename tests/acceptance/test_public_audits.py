"""What others have written to find fault with APIs like this one, run against the running hub."""

import asyncio
import os
import sys
from pathlib import Path

import orjson
import pytest
import pytest_asyncio

from tests.acceptance.person import Account, Person
from tests.node_packages import Finished, run_node
from tests.running_hub import RunningHub

# Minutes in all: a worker of their own leaves the rest to the other one.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("audits")]

ROOT = Path(__file__).parents[2]
OUR_CHECKS = "tests.acceptance.schemathesis_checks"
AUDIT = Path(__file__).with_name("graphql_audit.mjs")
EXAMPLES = 25
SECONDS = 600

# Optional parts of GraphQL over HTTP (MAY) that are left out.
LEFT_OUT = {
    # A GET that answers to a cookie is a GET that any page can make a browser send.
    "5A70": "GET requests",
    "D6D5": "GET requests with variables",
    "6A70": "GET requests with variables, legacy media type",
}
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance"
CHECKS += ",response_schema_conformance,response_headers_conformance"


@pytest_asyncio.fixture(scope="module")
async def cookie(hub: RunningHub, operator: Account) -> str:
    """Return the cookie of the operator, who may explore the schema."""
    async with Person(operator) as person:
        await person.try_to_sign_in(f"{hub.app_origin}/sign-in")
        return "; ".join(f"{name}={value}" for name, value in person._http.cookies.items())


async def test_the_cookie_is_of_a_person_who_may_explore(hub: RunningHub, cookie: str) -> None:
    response = await hub.http.post(
        f"{hub.app_origin}/graphql",
        json={"query": "{ viewer { email permissions } }"},
        headers={"Cookie": cookie},
    )
    assert response.status_code == 200
    assert "schema:explore" in response.json()["data"]["viewer"]["permissions"]


@pytest.mark.node
async def test_graphql_http_finds_nothing_but_what_is_left_out(
    hub: RunningHub, cookie: str, node_modules: Path
) -> None:
    finished = await run_node(AUDIT, node_modules, f"{hub.app_origin}/graphql", cookie)
    assert finished.returncode == 0, finished.output
    verdicts = orjson.loads(finished.output)
    assert len(verdicts) > 60
    found = {
        verdict["id"]: f"{verdict['name']}: {verdict['reason']}"
        for verdict in verdicts
        if verdict["status"] != "ok"
    }
    assert set(found) == set(LEFT_OUT), found


async def schemathesis(location: str, *options: str, folder: Path) -> Finished:
    """Run schemathesis in a process of its own: the hub needs this event loop to answer."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "run", location),
        *("--max-examples", str(EXAMPLES), "--seed", "8460", "--no-shrink"),
        *("--request-timeout", "20", "--continue-on-failure", "--warnings", "off"),
        *options,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "SCHEMATHESIS_HOOKS": OUR_CHECKS},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
        pytest.fail(f"schemathesis did not end in {SECONDS} s", pytrace=False)
    return Finished(process.returncode or 0, output.decode())


async def test_schemathesis_finds_no_fault_in_the_rest_side(
    hub: RunningHub, tmp_path: Path
) -> None:
    finished = await schemathesis(
        f"{hub.origin}/openapi.json",
        *("--phases", "examples,coverage,fuzzing", "--checks", CHECKS),
        folder=tmp_path,
    )
    assert finished.returncode == 0, finished.output[-20_000:]


@pytest.mark.parametrize("who", ["a person who may explore", "nobody"])
async def test_schemathesis_finds_no_fault_in_graphql(
    hub: RunningHub, cookie: str, tmp_path: Path, who: str
) -> None:
    schema = tmp_path / "schema.graphql"
    schema.write_text((ROOT / "graphql/schema.graphql").read_text("utf-8"))
    sent = cookie if who.startswith("a person") else "none=none"
    finished = await schemathesis(
        str(schema),
        *("--url", f"{hub.app_origin}/graphql", "--header", f"Cookie: {sent}"),
        *("--phases", "fuzzing", "--checks", "refuses_in_words"),
        folder=tmp_path,
    )
    assert finished.returncode == 0, finished.output[-20_000:]
