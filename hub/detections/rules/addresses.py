"""What kind of address something is."""

import ipaddress


def is_of_this_host(address: str | None) -> bool:
    """Tell whether nobody but the host itself can be behind the address."""
    if not address:
        return False
    try:
        return ipaddress.ip_address(address.partition("%")[0]).is_loopback
    except ValueError:
        return address == "localhost"
