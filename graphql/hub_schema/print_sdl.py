"""Prints the schema's SDL.

`python -m hub_schema.print_sdl` writes graphql/schema.graphql; with `--check` it fails when the
committed file is not what the schema says.
"""

import sys
from pathlib import Path

from strawberry.printer import print_schema

from hub_schema.schema import schema

COMMITTED = Path("graphql/schema.graphql")


def sdl() -> str:
    """Return the SDL as it is committed."""
    return f"{print_schema(schema)}\n"


def main(arguments: list[str]) -> int:
    """Write the file, or check it; return the exit code."""
    if "--check" not in arguments:
        COMMITTED.write_text(sdl(), "utf-8")
        return 0
    if COMMITTED.read_text("utf-8") == sdl():
        return 0
    sys.stderr.write(
        f"{COMMITTED} is stale: run `uv run python -m hub_schema.print_sdl` and review its diff.\n"
    )
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
