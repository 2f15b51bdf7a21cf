"""`monsys egress`: which fields of which tool pass to Claude."""

import json
from enum import StrEnum
from typing import Annotated

import typer
from rich.table import Table

from hub.cli.output import answers
from hub_schema.directives import NEVER_TO_CLAUDE, EgressClass
from hub_schema.operations import Operation, operations

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")


class Format(StrEnum):
    """How the answer is written."""

    TABLE = "table"
    JSON = "json"
    MARKDOWN = "markdown"


@app.command(
    epilog="**Examples**\n\n`monsys egress` · `monsys egress --tool monsys_list_alerts` ·"
    " `monsys egress --format markdown > what-passes-to-claude.md`"
)
def egress(
    form: Annotated[Format, typer.Option("--format", help="How to write it.")] = Format.TABLE,
    tool: Annotated[str | None, typer.Option(help="Only this tool.")] = None,
) -> None:
    """Print, tool by tool and field by field, what passes to Claude.

    The list is made from the same declarations that the hub enforces: a tool that selects a field
    of another kind does not load.
    """
    chosen = operations("mcp")
    if tool is not None:
        if tool not in chosen:
            raise typer.BadParameter(f"There is no such tool. There are: {', '.join(chosen)}.")
        chosen = {tool: chosen[tool]}
    if form is Format.JSON:
        typer.echo(json.dumps(_as_json(chosen), indent=2))
    elif form is Format.MARKDOWN:
        typer.echo("\n".join(_as_markdown(chosen)))
    else:
        for name, operation in chosen.items():
            answers.print(_as_table(name, operation))
        answers.print(f"Never passes: {', '.join(_never())}.")


def fields_of(operation: Operation) -> list[tuple[str, str, str]]:
    """Return each field that the tool returns: its path, its schema coordinate and its class.

    Paths leave out the root, as results do.
    """
    return [
        (field.path.partition(".")[2], field.coordinate, field.egress.value)
        for field in operation.fields
        if field.is_leaf and field.egress is not None
    ]


def _never() -> list[str]:
    return sorted(kind.value for kind in NEVER_TO_CLAUDE)


def _as_json(chosen: dict[str, Operation]) -> dict[str, object]:
    return {
        "tools": {
            name: [
                {"field": path, "schema": coordinate, "class": kind}
                for path, coordinate, kind in fields_of(operation)
            ]
            for name, operation in chosen.items()
        },
        "classes_that_may_pass": sorted(
            kind.value for kind in EgressClass if kind not in NEVER_TO_CLAUDE
        ),
        "classes_that_never_pass": _never(),
    }


def _as_markdown(chosen: dict[str, Operation]) -> list[str]:
    lines = ["# What passes to Claude", ""]
    for name, operation in chosen.items():
        lines += [f"## {name}", "", "| field | schema | class |", "|---|---|---|"]
        lines += [
            f"| `{path}` | `{coordinate}` | {kind} |"
            for path, coordinate, kind in fields_of(operation)
        ]
        lines.append("")
    lines.append(f"Never passes: {', '.join(_never())}.")
    return lines


def _as_table(name: str, operation: Operation) -> Table:
    table = Table(title=name, title_justify="left", title_style="bold", expand=False)
    for heading in ("field", "schema", "class"):
        table.add_column(heading, overflow="fold")
    for row in fields_of(operation):
        table.add_row(*row)
    return table
