"""Which addresses a probe may call: public ones, unless the tenant allows its own network.

A name is resolved once, every answer is checked, and the connection goes to an address that passed:
a name that resolves to something else a moment later (DNS rebinding) gains nothing.
"""

import asyncio
import ipaddress
import socket
from concurrent.futures import ThreadPoolExecutor

type Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# What networks keep to themselves, though the library calls it global: addresses of old sites, IPv4
# in its oldest IPv6 spelling, and each network's own NAT64.
_LOCAL = tuple(map(ipaddress.IPv6Network, ("fec0::/10", "::/96", "64:ff9b:1::/48")))
# A resolver may block its thread for half a minute, and tenants choose the names: threads of their
# own, so that slow names keep nobody waiting who needs one of the hub's others.
_LOOKUPS = ThreadPoolExecutor(max_workers=16, thread_name_prefix="monsys-lookup")


class ForbiddenAddressError(Exception):
    """The name leads somewhere that probes must not go."""


async def addresses_of(host: str, port: int, *, allow_private: bool) -> list[str]:
    """Return the addresses of a host that a probe may connect to; raise when one is forbidden."""
    addresses = await resolved(host, port)
    for address in addresses:
        check_address(address, allow_private=allow_private)
    return addresses


async def resolved(host: str, port: int) -> list[str]:
    """Return the addresses of a host, whatever they are: somebody has to check them."""
    loop = asyncio.get_running_loop()
    found = await loop.run_in_executor(_LOOKUPS, _addresses, host, port)
    return list(dict.fromkeys(found))


def _addresses(host: str, port: int) -> list[str]:
    return [str(one[4][0]) for one in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def check_address(text: str, *, allow_private: bool) -> None:
    """Raise unless a probe may call this address."""
    address = _innermost(ipaddress.ip_address(text.partition("%")[0]))
    if address.is_multicast or address.is_unspecified or address.is_link_local:
        # Link-local is where clouds keep their metadata service: never anybody's to probe.
        raise ForbiddenAddressError(text)
    is_public = address.is_global and not any(address in network for network in _LOCAL)
    if not is_public and not allow_private:
        raise ForbiddenAddressError(text)


def _innermost(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address stands for, if it does."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return (
        address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1] or address
    )
