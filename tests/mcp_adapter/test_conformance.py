"""The public conformance suite of the protocol, against a running connector.

The suite was written for servers that carry its test tools. What needs one of those is listed
here, each with its reason; whatever else fails, fails this test.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import orjson
import pytest

from tests.mcp_adapter.bearer_proxy import bearer_proxy
from tests.mcp_adapter.hub_in_test import RunningHub
from tests.node_packages import run_node

pytestmark = [pytest.mark.slow, pytest.mark.node]

_TEST_TOOL = "calls a tool that only the suite's own server has"
_TEST_PROMPT = "gets a prompt that only the suite's own server has"
_TEST_RESOURCE = "reads a resource that only the suite's own server has"
_ELICITING_TOOL = "calls a test tool that asks the person back; no tool of ours does"
_NO_TASKS = "the tasks extension is optional, and no call here takes long enough to need it"

# Scenario, or scenario and check, that cannot pass without a fixture of the suite.
EXCLUDED = {
    "completion-complete": "completes an argument of a test prompt; ours takes no arguments",
    "elicitation-sep1034-defaults": _ELICITING_TOOL,
    "elicitation-sep1330-enums": _ELICITING_TOOL,
    "http-custom-header-server-validation": "no argument of ours is mirrored into a header",
    "input-required-result-basic-elicitation": _ELICITING_TOOL,
    "input-required-result-basic-list-roots": _ELICITING_TOOL,
    "input-required-result-basic-sampling": _ELICITING_TOOL,
    "input-required-result-capability-check": _ELICITING_TOOL,
    "input-required-result-ignore-extra-params": _TEST_TOOL,
    "input-required-result-missing-input-response": _ELICITING_TOOL,
    "input-required-result-multi-round": _ELICITING_TOOL,
    "input-required-result-multiple-input-requests": _ELICITING_TOOL,
    "input-required-result-non-tool-request": _TEST_PROMPT,
    "input-required-result-request-state": _ELICITING_TOOL,
    "input-required-result-result-type": _ELICITING_TOOL,
    "input-required-result-tampered-state": _ELICITING_TOOL,
    "json-schema-2020-12": "looks for a test tool whose schema uses every keyword",
    "logging-set-level": "logging over the protocol is deprecated, and is not offered",
    "prompts-get-embedded-resource": _TEST_PROMPT,
    "prompts-get-simple": _TEST_PROMPT,
    "prompts-get-with-args": _TEST_PROMPT,
    "prompts-get-with-image": _TEST_PROMPT,
    "resources-read-binary": _TEST_RESOURCE,
    "resources-read-text": _TEST_RESOURCE,
    "resources-subscribe": "there are no resources to subscribe to",
    "resources-templates-read": _TEST_RESOURCE,
    "resources-unsubscribe": "there are no resources to subscribe to",
    "server-sse-multiple-streams:server-sse-multiple-streams-session": "there are no sessions",
    "server-sse-polling:server-sse-polling-session": "there are no sessions",
    "server-session-lifecycle": "there are no sessions",
    "server-stateless:sep-2575-http-server-no-independent-requests-on-stream": _TEST_TOOL,
    "server-stateless:sep-2575-missing-capability-http-400": _TEST_TOOL,
    "server-stateless:sep-2575-server-no-log-without-loglevel": _TEST_TOOL,
    "server-stateless:sep-2575-server-rejects-undeclared-capability": _TEST_TOOL,
    "tasks-capability-negotiation": _NO_TASKS,
    "tasks-dispatch-and-envelope": _NO_TASKS,
    "tasks-lifecycle": _NO_TASKS,
    "tasks-mrtr-composition": _NO_TASKS,
    "tasks-mrtr-input": _NO_TASKS,
    "tasks-request-headers": _NO_TASKS,
    "tasks-request-state-removal": _NO_TASKS,
    "tasks-required-task-error": _NO_TASKS,
    "tasks-status-notifications": _NO_TASKS,
    "tasks-wire-fields": _NO_TASKS,
    "tools-call-audio": _TEST_TOOL,
    "tools-call-elicitation": _ELICITING_TOOL,
    "tools-call-embedded-resource": _TEST_TOOL,
    "tools-call-error": _TEST_TOOL,
    "tools-call-image": _TEST_TOOL,
    "tools-call-mixed-content": _TEST_TOOL,
    "tools-call-sampling": _ELICITING_TOOL,
    "tools-call-simple-text": _TEST_TOOL,
    "tools-call-with-logging": _TEST_TOOL,
    "tools-call-with-progress": _TEST_TOOL,
}
# The check that every message fits the specification's schema holds in each scenario.
_ALWAYS_REQUIRED = "wire-schema-valid"
REQUIRED = {
    "2026-07-28": {
        "caching",
        "dns-rebinding-protection",
        "http-header-validation",
        "input-required-result-unsupported-methods",
        "input-required-result-validate-input",
        "prompts-list",
        "resources-list",
        "sep-2164-resource-not-found",
        "server-sse-multiple-streams",
        "server-stateless",
        "tools-list",
    },
    "2025-11-25": {
        "dns-rebinding-protection",
        "ping",
        "prompts-list",
        "resources-list",
        "server-initialize",
        "server-sse-multiple-streams",
        "server-sse-polling",
        "tools-list",
    },
}


@pytest.mark.parametrize("revision", sorted(REQUIRED))
async def test_the_connector_conforms(
    revision: str, hub: RunningHub, token: str, node_modules: Path, tmp_path: Path
) -> None:
    suite = node_modules / "@modelcontextprotocol" / "conformance" / "dist" / "index.js"
    results = tmp_path / "results"
    async with bearer_proxy("127.0.0.1", urlsplit(hub.url).port or 0, token) as port:
        finished = await run_node(
            *(suite, "server", "--url", f"http://localhost:{port}/mcp"),
            *("--requirements", revision, "-o", results),
            cwd=tmp_path,
        )
    checks = list(_checks(results))
    failed = [
        f"{scenario}:{check}: {message}"
        for scenario, check, status, message in checks
        if status in {"FAILURE", "WARNING"} and not _is_excluded(scenario, check)
    ]
    assert failed == [], finished.output
    assert {scenario for scenario, *_ in checks} - EXCLUDED.keys() == REQUIRED[revision]


def _checks(results: Path) -> Iterator[tuple[str, str, str, str]]:
    """Yield scenario, check, status and message of every check that was made."""
    for file in sorted(results.glob("server-*/checks.json")):
        # The folder is named `server-<scenario>-<instant>`.
        scenario = re.sub(r"-\d{4}-\d\d-\d\dT.*", "", file.parent.name.removeprefix("server-"))
        for check in orjson.loads(file.read_bytes()):
            yield scenario, check["id"], check["status"], check.get("errorMessage", "")


def _is_excluded(scenario: str, check: str) -> bool:
    if check == _ALWAYS_REQUIRED:
        return False
    return scenario in EXCLUDED or f"{scenario}:{check}" in EXCLUDED
