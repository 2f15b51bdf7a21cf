"""Where notifications may go: what an address says by itself, and where its name leads.

Finding out where a name leads can take seconds, so nobody asks within a transaction: look it up
first, and let the command judge what was found. That judgement is for the person who types the
address; what counts is made again for each delivery, about the very address that is called.
"""

import asyncio
import ipaddress
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from hub.errors import InvalidInput
from hub.sla.addresses import ForbiddenAddressError, check_address, resolved
from hub.sla.probes import check_url

MAX_URL_CHARACTERS = 2000
PORTS = {"http": 80, "https": 443}
_RESOLVE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Destination:
    """An address that somebody wants notified, and where its name leads as far as was asked."""

    url: str
    addresses: tuple[str, ...] = ()

    def check(self, *, allow_private: bool) -> None:
        """Raise InvalidInput unless notifications may go there, as far as can be told now."""
        if urlsplit(self.url).scheme != "https" and not allow_private:
            raise InvalidInput("`url` must begin with https://.", field="url")
        try:
            check_addresses(self.url, self.addresses, allow_private=allow_private)
        except ForbiddenAddressError as error:
            raise InvalidInput(
                "`url` leads to a private or special address, or http:// leads to a public one."
                " Use a public https:// address, or allow private ones for this tenant with"
                " allowPrivateProbes.",
                field="url",
            ) from error


def written(url: str) -> Destination:
    """Return the destination as it is written, asking nobody; raise InvalidInput if it is none."""
    if len(url) > MAX_URL_CHARACTERS:
        raise InvalidInput(f"`url` may have {MAX_URL_CHARACTERS} characters.", field="url")
    check_url(url)
    parts = urlsplit(url)
    if "#" in url:
        raise InvalidInput("`url` may have no #fragment; it would never be sent.", field="url")
    return Destination(url, _literal(parts))


async def look_up(url: str) -> Destination:
    """Return the destination with where its name leads; raise InvalidInput when it leads nowhere.

    Call it with no transaction open: a resolver may take seconds.
    """
    destination = written(url)
    if destination.addresses:
        return destination
    try:
        async with asyncio.timeout(_RESOLVE_SECONDS):
            return Destination(url, tuple(await resolved(*host_and_port(url))))
    except (OSError, TimeoutError, UnicodeError) as error:
        raise InvalidInput(
            "`url` names a host that does not resolve; check its spelling.", field="url"
        ) from error


def host_and_port(url: str) -> tuple[str, int]:
    """Return whom a checked address calls."""
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or PORTS[parts.scheme]


def check_addresses(url: str, addresses: tuple[str, ...], *, allow_private: bool) -> None:
    """Raise ForbiddenAddressError when one of the addresses must not be called."""
    for address in addresses:
        check_address(address, allow_private=allow_private)
        # In the clear within a network of one's own, and no further.
        if urlsplit(url).scheme == "http" and ipaddress.ip_address(address).is_global:
            raise ForbiddenAddressError(address)


def _literal(parts: SplitResult) -> tuple[str, ...]:
    """Return the address that stands where a name could."""
    try:
        return (str(ipaddress.ip_address(parts.hostname or "")),)
    except ValueError:
        return ()
