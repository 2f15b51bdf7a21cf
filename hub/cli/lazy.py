"""The list of commands, each with the module that holds it."""

from importlib import import_module
from typing import Any, override

import typer
from typer.core import TyperGroup

# In the order in which one needs them.
_MODULES = {
    "demo": "hub.cli.demo",
    "serve": "hub.cli.serve",
    "migrate": "hub.cli.migrate",
    "user": "hub.cli.user",
    "tenant": "hub.cli.tenant",
    "agent": "hub.cli.agent",
    "ingest": "hub.cli.ingest_keys",
    "audit": "hub.cli.audit",
    "oauth": "hub.cli.oauth_trace",
    "keys": "hub.cli.keys",
    "egress": "hub.cli.egress",
    "osv": "hub.cli.osv",
    "kernel-cves": "hub.cli.kernel_cves",
    "seed": "hub.cli.seed",
}


class LazyCommands(TyperGroup):
    """Imports a command's module when the command is asked for."""

    @override
    def list_commands(self, ctx: Any) -> list[str]:
        return list(_MODULES)

    @override
    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in _MODULES:
            return None
        command = typer.main.get_command(import_module(_MODULES[cmd_name]).app)
        command.name = cmd_name
        return command
