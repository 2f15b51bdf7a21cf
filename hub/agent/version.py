"""The version of the installed program."""

from functools import cache
from importlib.metadata import PackageNotFoundError, version


@cache
def agent_version() -> str:
    """Return the version; looked up once, because that reads the disk."""
    try:
        return version("monsys-hub")
    except PackageNotFoundError:  # run from a folder that was never installed
        return "0"
