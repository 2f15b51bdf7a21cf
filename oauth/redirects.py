"""Redirect URIs: which may be registered, and when a requested one is a registered one."""

import re
from collections.abc import Iterable, Sequence
from urllib.parse import parse_qsl, urlencode, urlsplit

MAX_REDIRECT_URI_CHARACTERS = 2000
# The whole of a URI as RFC 3986 spells it; a fragment never reaches us, so `#` is not in it.
_URI_CHARACTERS = re.compile(r"[A-Za-z0-9\-._~:/?@!$&'()*+,;=%\[\]]+")
_LOOPBACK = re.compile(r"http://(127\.0\.0\.1|\[::1\]|localhost)(?::\d{1,5})?((?:[/?].*)?)")
_LOOPBACK_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})
# Schemes that browsers and operating systems give a meaning of their own. A redirect to one of
# them would run something or leak the code to whoever handles them.
_FORBIDDEN_SCHEMES = frozenset(
    {
        "about",
        "afp",
        "blob",
        "callto",
        "chrome",
        "chrome-extension",
        "data",
        "facetime",
        "file",
        "filesystem",
        "ftp",
        "ftps",
        "gopher",
        "hcp",
        "help",
        "intent",
        "itms-services",
        "jar",
        "javascript",
        "ldap",
        "ldaps",
        "mailto",
        "market",
        "mhtml",
        "mk",
        "moz-extension",
        "nfs",
        "rdp",
        "res",
        "resource",
        "rlogin",
        "safari-extension",
        "search",
        "search-ms",
        "shell",
        "sip",
        "sips",
        "smb",
        "sms",
        "ssh",
        "steam",
        "tel",
        "telnet",
        "tn3270",
        "vbscript",
        "view-source",
        "ws",
        "wss",
    }
)


# Windows hands everything that begins so to programs of its own, `ms-msdt:` and `ms-word:` among
# them.
_FORBIDDEN_PREFIXES = ("ms-", "vnd.")


def is_registered(requested: str, registered: Iterable[str]) -> bool:
    """Tell whether the requested URI is one of the registered ones.

    Exact comparison of strings (RFC 6749 §3.1.2.3, RFC 9700 §2.1). The one exception is the port of
    a loopback address, which native apps learn only when they listen (RFC 8252 §7.3); `localhost`
    is included because clients in use send it.
    """
    requested_loopback = _without_port(requested)
    return any(
        requested == uri
        or (requested_loopback is not None and requested_loopback == _without_port(uri))
        for uri in registered
    )


def is_loopback(uri: str) -> bool:
    """Tell whether the redirect stays on the person's own machine."""
    return _without_port(uri) is not None


def host_of(uri: str) -> str:
    """Return what a person should read of a redirect: its host, or a private scheme."""
    parts = urlsplit(uri)
    if parts.scheme in {"http", "https"}:
        return parts.hostname or ""
    return f"{parts.scheme}:"


def answered(uri: str, location: str, more: Sequence[tuple[str, str]]) -> str:
    """Return the redirect as it was asked for, with the answer that a location adds, and more.

    Its own query is kept character by character (RFC 6749 §3.1.2): what looks equal to us, such as
    `?flag` and `?flag=`, or one slash and three, may be another address to the client.
    """
    own = len(parse_qsl(urlsplit(uri).query, keep_blank_values=True))
    answer = parse_qsl(urlsplit(location).query, keep_blank_values=True)[own:]
    joint = "" if uri.endswith(("?", "&")) else "&" if "?" in uri else "?"
    return f"{uri}{joint}{urlencode([*answer, *more])}"


def fault_of(uri: str) -> str | None:
    """Return why the URI cannot be registered, None when it can.

    https; http for loopback only (RFC 8252 §7.3); private-use schemes (§7.1). Those should be
    reverse domain names, and be used by clients that say they are native; but editors in wide use
    register `cursor://…` and call themselves web clients, or nothing. What a client says of itself
    would protect nobody anyway: PKCE does, and the consent page, which names the scheme.
    """
    if len(uri) > MAX_REDIRECT_URI_CHARACTERS or not _URI_CHARACTERS.fullmatch(uri):
        return "must be a plain ASCII URI without a fragment, at most 2000 characters"
    try:
        parts = urlsplit(uri)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "is not a valid URI"
    if parts.username is not None or parts.password is not None:
        return "must not carry a user name or password"
    match parts.scheme:
        case "https":
            return None if host else "needs a host"
        case "http":
            is_local = host in _LOOPBACK_HOSTS and is_loopback(uri)
            return None if is_local else "must be https, or http on 127.0.0.1, [::1] or localhost"
        case scheme:
            return _scheme_fault(scheme)


def _scheme_fault(scheme: str) -> str | None:
    if not scheme:
        return "must be an absolute URI"
    if scheme in _FORBIDDEN_SCHEMES or scheme.startswith(_FORBIDDEN_PREFIXES):
        return "has a scheme that is never a redirect"
    return None


def _without_port(uri: str) -> tuple[str, str] | None:
    """Return host and rest of a loopback URI, None for any other."""
    match = _LOOPBACK.fullmatch(uri)
    return (match[1], match[2]) if match else None
