"""Which web addresses may be a client id (client-id-metadata-document, "Client Identifier")."""

import re
from urllib.parse import unquote, urlsplit

MAX_URL_CHARACTERS = 512
_SCHEME = "https://"
# RFC 3986 without `#`: a fragment is not allowed, and neither is a backslash, which some read as a
# slash. Lower-case hosts only: ids are compared as strings, and the host would match in any case.
_URL = re.compile(r"https://[a-z0-9.-]+(?::\d{1,5})?/[A-Za-z0-9\-._~/?!$&'()*+,;=:@%]+")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
# The last label of a name is never a number; where it is one, the host is an IPv4 address in one of
# its spellings: 127.0.0.1, 2130706433, 0177.1, 0x7f.1 (WHATWG URL, "ends in a number").
_NUMBER = re.compile(r"\d+|0x[0-9a-f]*")
_MAX_HOST_CHARACTERS = 253
_MIN_LABELS = 2
_MAX_PORT = 65535


def looks_like_document_url(client_id: str) -> bool:
    """Tell whether the client id means to be a document's address; ours never begin like this."""
    return client_id.startswith(_SCHEME)


def is_document_url(client_id: str) -> bool:
    """Tell whether the client id is a document's address by all rules."""
    return looks_like_document_url(client_id) and url_fault(client_id) is None


def url_fault(url: str) -> str | None:
    """Return why this cannot be a client id, None when it can."""
    if len(url) > MAX_URL_CHARACTERS:
        return f"it is longer than {MAX_URL_CHARACTERS} characters"
    if not url.startswith(_SCHEME):
        return "it is not https"
    return _form_fault(url) or _host_fault(url) or _path_fault(url)


def _form_fault(url: str) -> str | None:
    authority, _, path = url.removeprefix(_SCHEME).partition("/")
    if "#" in url:
        return "it has a fragment"
    if "@" in authority:
        return "it carries a user name"
    if not path or path.startswith("?"):
        return "it has no path"
    return None if _URL.fullmatch(url) else "it is not a plain https address"


def _host_fault(url: str) -> str | None:
    parts = urlsplit(url)
    host = parts.hostname or ""
    labels = host.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        return "its host is an IP address"
    if len(host) > _MAX_HOST_CHARACTERS or not all(_LABEL.fullmatch(label) for label in labels):
        return "its host is not a name"
    if len(labels) < _MIN_LABELS:
        return "its host is not a public name"
    port = url.removeprefix(_SCHEME).partition("/")[0].partition(":")[2]
    if port and not 0 < int(port) <= _MAX_PORT:
        return "its port does not exist"
    return None


def _path_fault(url: str) -> str | None:
    """Find dot segments, encoded or not: what they resolve to is another address."""
    segments = unquote(urlsplit(url).path).split("/")
    return "it has dot segments" if {".", ".."} & set(segments) else None
