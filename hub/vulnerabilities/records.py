"""OSV records: read from JSON into what the hub works with, or refused with a reason."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from hub.vulnerabilities.ecosystems import Ecosystem, comparable_name, ecosystem_of
from hub.vulnerabilities.ranges import Range

MAX_ID_CHARACTERS = 128
MAX_NAME_CHARACTERS = 256
MAX_ECOSYSTEM_CHARACTERS = 120
_SHOWN_CHARACTERS = 300
_RANGE_TYPES = frozenset({"ECOSYSTEM", "GIT", "SEMVER"})
_EVENTS = ("introduced", "fixed", "last_affected", "limit")
_KEPT = ("details", "references", "severity", "credits", "database_specific", "related")


class RecordRefused(Exception):  # noqa: N818 - reads as the refusal it is
    """A record that cannot be used; the message names it and says why."""

    def __init__(self, record: str, reason: str) -> None:
        self.record, self.reason = _shown(record), _shown(reason)
        super().__init__(f"{self.record}: {self.reason}")


def _shown(text: str) -> str:
    """Return foreign text as a terminal and a database take it: file names may be any bytes."""
    return "".join(each if each.isprintable() else "?" for each in text[:_SHOWN_CHARACTERS])


@dataclass(frozen=True, slots=True)
class Rating:
    """One severity of a record: a CVSS vector, or a vendor's word."""

    type: str
    score: str


@dataclass(frozen=True, slots=True)
class ListedBinary:
    """A binary that a record lists beside the source it is built from (Ubuntu, SUSE)."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class Affected:
    """One package of a record, and which of its versions are affected."""

    ecosystem: Ecosystem
    name: str
    ranges: tuple[Range, ...] = ()
    versions: tuple[str, ...] = ()
    ratings: tuple[Rating, ...] = ()
    binaries: tuple[ListedBinary, ...] = ()
    urgency: str | None = None  # Debian's


@dataclass(frozen=True, slots=True)
class Document:
    """One advisory as published."""

    id: str
    modified: datetime
    published: datetime | None = None
    withdrawn: datetime | None = None
    aliases: tuple[str, ...] = ()
    upstream: tuple[str, ...] = ()
    summary: str = ""
    ratings: tuple[Rating, ...] = ()
    vendor_word: str | None = None
    affected: tuple[Affected, ...] = ()
    record: dict[str, Any] = field(default_factory=dict)


def read_record(data: object, *, name: str) -> Document:
    """Read one OSV record; `name` is what to call it when it does not even have an id."""
    if not isinstance(data, dict):
        raise RecordRefused(name, "is not a JSON object")
    identity = data.get("id")
    if not isinstance(identity, str) or not 0 < len(identity) <= MAX_ID_CHARACTERS:
        raise RecordRefused(name, f"`id` is not a text of at most {MAX_ID_CHARACTERS} characters")
    if not identity.isprintable():
        raise RecordRefused(name, "`id` has control characters")
    try:
        return _document(identity, data)
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError) as error:
        raise RecordRefused(identity, f"is not as the OSV schema says: {error}") from error


def _document(identity: str, data: Mapping[str, Any]) -> Document:
    modified = read_instant(data.get("modified"), "modified")
    if modified is None:
        raise ValueError("`modified` is missing")
    summary = _text(data.get("summary"))
    return Document(
        id=identity,
        modified=modified,
        published=read_instant(data.get("published"), "published"),
        withdrawn=read_instant(data.get("withdrawn"), "withdrawn"),
        aliases=_names(data, "aliases", but=identity),
        upstream=_names(data, "upstream", but=identity),
        summary=summary or _text(data.get("details"))[:300],
        ratings=_ratings(data),
        vendor_word=_vendor_word(data, summary),
        affected=tuple(
            _affected(block) for block in _list(data, "affected") if block.get("package")
        ),
        record={key: data[key] for key in _KEPT if data.get(key)},
    )


def _affected(block: Mapping[str, Any]) -> Affected:
    package = block["package"]
    name, ecosystem = package["name"], package["ecosystem"]
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME_CHARACTERS:
        raise ValueError("a package has no usable `name`")
    if not isinstance(ecosystem, str) or not 0 < len(ecosystem) <= MAX_ECOSYSTEM_CHARACTERS:
        raise ValueError(f"package {name[:60]!r} has no usable `ecosystem`")
    known = ecosystem_of(ecosystem)
    return Affected(
        ecosystem=known,
        name=comparable_name(known, name),
        ranges=tuple(_range(each) for each in _list(block, "ranges")),
        versions=tuple(dict.fromkeys(_texts(block, "versions"))),
        ratings=_ratings(block),
        urgency=_urgency(block.get("ecosystem_specific")),
        binaries=tuple(
            binary
            for binary in _binaries(block.get("ecosystem_specific"))
            if 0 < len(binary.name) <= MAX_NAME_CHARACTERS
        ),
    )


def _range(data: Mapping[str, Any]) -> Range:
    kind = str(data.get("type", "")).upper()
    if kind not in _RANGE_TYPES:
        raise ValueError(f"range type {kind[:20]!r} is not GIT, SEMVER or ECOSYSTEM")
    events = tuple(
        (name, _version(event[name]))
        for event in _list(data, "events")
        for name in _EVENTS
        if event.get(name) is not None
    )
    if kind != "GIT" and not any(name == "introduced" for name, _ in events):
        raise ValueError("a range has no `introduced` event")
    return Range(kind, events)


def _binaries(specific: object) -> Iterator[ListedBinary]:
    """Yield listed binaries: Ubuntu writes two fields, SUSE a mapping of name to version."""
    if not isinstance(specific, dict) or not isinstance(specific.get("binaries"), list):
        return
    for entry in specific["binaries"]:
        if not isinstance(entry, dict):
            continue
        if "binary_name" in entry:
            found = [(entry["binary_name"], entry.get("binary_version", ""))]
        else:
            found = list(entry.items())
        for name, version in found:
            if isinstance(name, str) and isinstance(version, str):
                yield ListedBinary(name.strip(), version.strip())


def _urgency(specific: object) -> str | None:
    """Return Debian's own word for this package, beside which upstream's score says little."""
    word = specific.get("urgency") if isinstance(specific, dict) else None
    return word if isinstance(word, str) else None


def _ratings(data: Mapping[str, Any]) -> tuple[Rating, ...]:
    return tuple(
        Rating(str(entry.get("type", "")), str(entry.get("score", "")))
        for entry in _list(data, "severity")
    )


def _vendor_word(data: Mapping[str, Any], summary: str) -> str | None:
    """Return a severity in words: GitHub's field, or the first word of an erratum's title."""
    specific = data.get("database_specific")
    word = specific.get("severity") if isinstance(specific, dict) else None
    if isinstance(word, str):
        return word
    first, colon, _ = summary.partition(":")
    return first if colon else None


def _list(data: Mapping[str, Any], key: str) -> list[Any]:
    value = [] if data.get(key) is None else data[key]
    if not isinstance(value, list):
        raise TypeError(f"`{key}` is not a list")
    return value


def _texts(data: Mapping[str, Any], key: str) -> list[str]:
    """Return a list of texts. A number is none: 1.10 came out of its JSON as 1.1."""
    values = _list(data, key)
    if not all(isinstance(value, str) for value in values):
        raise TypeError(f"`{key}` holds something that is not a text")
    return values


def _version(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("an event's version is not a text")
    return value.strip()


def _names(data: Mapping[str, Any], key: str, *, but: str) -> tuple[str, ...]:
    """Return the names that can be a record's; a blank one would link whoever else has it."""
    names = (name.strip() for name in _texts(data, key))
    return tuple(
        dict.fromkeys(name for name in names if 0 < len(name) <= MAX_ID_CHARACTERS and name != but)
    )


def _text(value: object) -> str:
    """Return text that PostgreSQL can store."""
    return value.replace("\x00", "") if isinstance(value, str) else ""


def read_instant(value: object, key: str) -> datetime | None:
    """Return an instant in UTC, which is what is meant where no offset is told."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise TypeError(f"`{key}` is not a text")
    instant = datetime.fromisoformat(value)
    if instant.tzinfo is None:
        return instant.replace(tzinfo=UTC)
    # At either end of the calendar there may be no such instant; the database would find out.
    return instant.astimezone(UTC)
