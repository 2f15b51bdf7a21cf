"""Which IP addresses the hub may connect to on behalf of a stranger: public ones."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

# Python's registry calls some of these global, because they are routed; an IPv4 address hides in
# each of them, and a gateway would lead to it.
_TUNNELS = tuple(
    ip_network(network)
    for network in (
        "::/96",  # IPv4-compatible
        "64:ff9b::/96",  # NAT64
        "64:ff9b:1::/48",
        "2001::/32",  # Teredo
        "2002::/16",  # 6to4
        "192.88.99.0/24",  # 6to4 relays
    )
)


def is_public(text: str) -> bool:
    """Tell whether this is an address of the public internet, not a special-use one (RFC 6890).

    IPv4 addresses written as IPv6 (`::ffff:127.0.0.1`) are judged as what they are.
    """
    if "%" in text:  # a zone: the address means something on one link only (RFC 4007)
        return False
    try:
        address: IPv4Address | IPv6Address = ip_address(text)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if any(address in network for network in _TUNNELS if network.version == address.version):
        return False
    is_special = (
        address.is_multicast
        or address.is_reserved
        or address.is_loopback
        or address.is_link_local
        or address.is_unspecified
        or (isinstance(address, IPv6Address) and address.is_site_local)
    )
    return address.is_global and not is_special
