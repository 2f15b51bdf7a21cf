"""Prints the schema's SDL; `python -m hub_schema.print_sdl` writes graphql/schema.graphql."""

from pathlib import Path

from strawberry.printer import print_schema

from hub_schema.schema import schema


def sdl() -> str:
    """Return the SDL as it is committed."""
    return f"{print_schema(schema)}\n"


if __name__ == "__main__":
    Path("graphql/schema.graphql").write_text(sdl(), "utf-8")
