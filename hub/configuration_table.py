"""The README's table of settings, made from the settings themselves.

`python -m hub.configuration_table` prints it; a test compares the README with it.
"""

from pydantic_core import PydanticUndefined

from hub.settings import Settings

_PREFIX = "MONSYS_"


def configuration_table() -> str:
    """Return the Markdown rows, one a setting, in the order of the class."""
    return "\n".join(
        f"| `{_PREFIX}{name.upper()}` | {_default(name)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    )


def _default(name: str) -> str:
    field = Settings.model_fields[name]
    if field.default is PydanticUndefined:
        return "the user's data folder"
    if field.default in (None, ()):
        return "none"
    return f"`{field.default}`"


if __name__ == "__main__":
    print(configuration_table())  # noqa: T201 - a command's answer
