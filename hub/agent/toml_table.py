"""One table of a TOML file, read key by key; each fault names the key and says what it must be."""

from collections.abc import Mapping
from typing import Any, cast

from hub.agent.client import AgentError

MAX_LISTED = 200


class TomlTable:
    """One table of the file; remembers which keys were asked for, to refuse misspelled ones."""

    def __init__(self, content: Mapping[str, Any], prefix: str) -> None:
        self._content = content
        self._prefix = prefix
        self._asked: set[str] = set()

    def table(self, key: str) -> "TomlTable":
        """Return the table under this key; empty when it is not there."""
        value = self._value(key, {})
        if not isinstance(value, dict):
            raise self.wrong(key, "must be a table")
        return TomlTable(value, f"{self._prefix}{key}.")

    def tables(self, key: str) -> list["TomlTable"]:
        """Return the tables under [[key]]."""
        value = self._value(key, [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise self.wrong(key, f"must be tables, each under [[{key}]]")
        if len(value) > MAX_LISTED:
            raise self.wrong(key, f"may be at most {MAX_LISTED}")
        return [TomlTable(item, f"{self._prefix}{key}[{n}].") for n, item in enumerate(value)]

    def texts(self, key: str, default: tuple[str, ...]) -> tuple[str, ...]:
        """Return a list of texts."""
        value = self._value(key, list(default))
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.wrong(key, "must be a list of texts")
        if len(value) > MAX_LISTED:
            raise self.wrong(key, f"may list at most {MAX_LISTED}")
        return tuple(value)

    def paths(self, key: str, default: tuple[str, ...]) -> tuple[str, ...]:
        """Return a list of absolute paths."""
        paths = self.texts(key, default)
        for path in paths:
            self._check_path(key, path)
        return paths

    def path(self, key: str, default: str | None = None) -> str:
        """Return an absolute path."""
        path = self.text(key, default)
        self._check_path(key, path)
        return path

    def text(self, key: str, default: str | None = None) -> str:
        """Return a text that is not empty."""
        value = self._value(key, default)
        if not isinstance(value, str) or not value:
            raise self.wrong(key, "must be a text" + ("" if value is not None else ", and given"))
        return value

    def flag(self, key: str, *, default: bool) -> bool:
        """Return true or false."""
        value = self._value(key, default)
        if not isinstance(value, bool):
            raise self.wrong(key, "must be true or false")
        return value

    def number(self, key: str, default: float, *, low: float, high: float) -> float:
        """Return a number within these bounds."""
        value = self._value(key, default)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not low <= value <= high:
            raise self.wrong(key, f"must be a number from {low:g} to {high:g}")
        return cast("float", value)

    def refuse_others(self) -> None:
        """Refuse keys that nothing reads: a misspelled one would silently watch nothing."""
        for key in self._content:
            if key not in self._asked:
                known = ", ".join(sorted(self._asked))
                raise self.wrong(key, f"is not a key that the agent knows; these are: {known}")

    def wrong(self, key: str, fault: str) -> AgentError:
        """Return the error that says what is wrong with this key."""
        return AgentError(f"`{self._prefix}{key}` {fault}.")

    def _value(self, key: str, default: Any) -> Any:
        self._asked.add(key)
        return self._content.get(key, default)

    def _check_path(self, key: str, path: str) -> None:
        if not path.startswith("/") or "\0" in path:
            raise self.wrong(key, f"must hold absolute paths, and {path!r} is none")
