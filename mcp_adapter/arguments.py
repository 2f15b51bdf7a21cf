"""A call's arguments: hashed as received, checked against the derived schema."""

import difflib
import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Any

import jsonschema_rs
import rfc8785
from jsonschema_rs import ValidationError, ValidationErrorKind

from hub.canonical import canonical_json
from hub.text import is_storable
from mcp_adapter.input_schema import JsonSchema

_MAX_PROBLEMS = 5
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")
_ARTICLES = {"array": "a list", "integer": "a whole number", "object": "an object"}
_FORMATS = {"uuid": "an id (UUID)", "date-time": "an RFC 3339 instant"}

type Checker = Callable[[Mapping[str, Any]], list[str]]


def args_hash(arguments: object) -> str:
    """Return the SHA-256 of the arguments as RFC 8785 canonical JSON; the log keeps only this."""
    try:
        canonical = canonical_json(arguments)
    except rfc8785.CanonicalizationError:
        # RFC 8785 §3.2.2.3: numbers are IEEE 754 doubles, so larger integers hash as those.
        canonical = canonical_json(_as_doubles(arguments))
    return hashlib.sha256(canonical).hexdigest()


def _as_doubles(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _as_doubles(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_as_doubles(item) for item in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def checker_of(schema: JsonSchema) -> Checker:
    """Return what names everything wrong with arguments, in words a model can act on."""
    # Without `properties` the validator reports an unknown argument without its name.
    named = {"properties": {}, **schema}
    validator = jsonschema_rs.Draft202012Validator(named, validate_formats=True)

    def problems(arguments: Mapping[str, Any]) -> list[str]:
        instance = dict(arguments)
        if validator.is_valid(instance):
            return [
                f"`{name}` holds characters that are not text." for name in _unstorable(instance)
            ]
        found = [_problem(error, schema) for error in validator.iter_errors(instance)]
        return list(dict.fromkeys(found))[:_MAX_PROBLEMS]

    return problems


def _unstorable(arguments: Mapping[str, Any]) -> list[str]:
    """Return the names of arguments with text that PostgreSQL cannot take (a NUL)."""
    return [
        name
        for name, value in arguments.items()
        for text in (value if isinstance(value, list) else [value])
        if isinstance(text, str) and not is_storable(text)
    ]


def _problem(error: ValidationError, schema: JsonSchema) -> str:
    """Return one sentence: which argument, and what is allowed. It never repeats foreign text."""
    properties = schema.get("properties", {})
    match error.kind:
        case ValidationErrorKind.AdditionalProperties(unexpected=names):
            return " ".join(_unknown(name, list(properties)) for name in names[:_MAX_PROBLEMS])
        case ValidationErrorKind.Required(property=name):
            return f"`{name}` is required: {properties[name]['description']}"
        case _:
            part = properties.get(error.instance_path[0], {}) if error.instance_path else {}
            return f"`{_argument(error)}` {_allowed(error, part)}"


def _allowed(error: ValidationError, part: JsonSchema) -> str:
    """Return what the argument may be, after the rule that it broke."""
    rule = error.kind.value
    sentences = {
        "enum": lambda: f"must be one of {_listed(rule)}.{_nearest(error, rule)}",
        "minimum": lambda: f"must be between {part['minimum']} and {part['maximum']}.",
        "maximum": lambda: f"must be between {part['minimum']} and {part['maximum']}.",
        "maxLength": lambda: f"may have at most {rule} characters.",
        "maxItems": lambda: f"may have at most {rule} entries.",
        "format": lambda: f"must be {_FORMATS.get(str(rule), rule)}.",
        "type": lambda: f"must be {_ARTICLES.get(rule[0], f'a {rule[0]}')}.",
    }
    sentence = sentences.get(error.kind.name)
    return sentence() if sentence else "is not allowed as it is; see the tool's input schema."


def _argument(error: ValidationError) -> str:
    """Return the argument's name; a position in a list counts from one, as people do."""
    first, *rest = error.instance_path or ["arguments"]
    places = "".join(f"[{step + 1}]" if isinstance(step, int) else "" for step in rest)
    return f"{first}{places}"


def _unknown(name: str, known: list[str]) -> str:
    shown = f"`{name}` is not an argument" if _NAME.fullmatch(name) else "An argument is unknown"
    if not known:
        return f"{shown}; this tool takes none."
    near = difflib.get_close_matches(name.lower()[:40], known, n=1)
    hint = f" Did you mean `{near[0]}`?" if near else ""
    return f"{shown}; this tool takes {_listed(known)}.{hint}"


def _nearest(error: ValidationError, options: list[Any]) -> str:
    if not isinstance(error.instance, str):
        return ""
    near = difflib.get_close_matches(error.instance.strip().lower()[:40], options, n=1)
    return f" Did you mean `{near[0]}`?" if near else ""


def _listed(names: list[Any]) -> str:
    return ", ".join(str(name) for name in names)
