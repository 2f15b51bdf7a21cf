"""When the configured certificates expire: those in files, and those that servers show."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from hub.agent.configuration import CertificateSettings
from hub.agent.watch.host import Host
from hub.agent.watch.observed import one_line

_TIMEOUT_SECONDS = 5
_MAX_CERTIFICATES = 200
_MAX_FILE_BYTES = 1 << 20
_NAME_LENGTH = 256


def read_certificates(settings: CertificateSettings, host: Host) -> list[dict[str, Any]] | None:
    """Return the certificates; one that cannot be read says why. None when none is configured."""
    if not settings.files and not settings.endpoints:
        return None
    facts = [*_in_files(settings, host), *map(_at_endpoint, settings.endpoints)]
    return facts[:_MAX_CERTIFICATES]


def _in_files(settings: CertificateSettings, host: Host) -> Iterator[dict[str, Any]]:
    for pattern in settings.files:
        paths = host.matches([pattern])
        if not paths:
            yield _problem(pattern, "there is no such file")
        for path in paths:
            text = host.text(path, max_bytes=_MAX_FILE_BYTES)
            yield _problem(path, "cannot be read") if text is None else _of_pem(path, text)


def _at_endpoint(endpoint: str) -> dict[str, Any]:
    """Return what the server shows. It is not verified: an expired one has to be seen as well."""
    name, _, port = endpoint.rpartition(":")
    name = name.strip("[]")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection((name, int(port)), timeout=_TIMEOUT_SECONDS) as connection,
            context.wrap_socket(connection, server_hostname=name) as secured,
        ):
            content = secured.getpeercert(binary_form=True)
    except (OSError, ValueError) as error:
        return _problem(endpoint, f"cannot be asked: {type(error).__name__}")
    if content is None:
        return _problem(endpoint, "shows no certificate")
    return _of_pem(endpoint, ssl.DER_cert_to_PEM_cert(content))


def _of_pem(place: str, text: str) -> dict[str, Any]:
    """Return the first certificate of the text: the others are those that vouch for it."""
    # Costs the agent memory, which it shall not spend where no certificate is configured.
    from cryptography import x509  # noqa: PLC0415

    start = text.find("-----BEGIN CERTIFICATE-----")
    if start < 0:
        return _problem(place, "holds no certificate")
    with suppress(ValueError):
        certificate = x509.load_pem_x509_certificate(text[start:].encode("utf-8"))
        return _fact(
            place,
            subject=certificate.subject.rfc4514_string(),
            issuer=certificate.issuer.rfc4514_string(),
            not_after=certificate.not_valid_after_utc.isoformat(),
        )
    return _problem(place, "holds a certificate that cannot be read")


def _problem(place: str, problem: str) -> dict[str, Any]:
    return _fact(place, problem=problem)


def _fact(
    place: str,
    *,
    subject: str = "",
    issuer: str = "",
    not_after: str | None = None,
    problem: str = "",
) -> dict[str, Any]:
    return {
        "place": one_line(place, 512),
        "subject": one_line(subject, _NAME_LENGTH),
        "issuer": one_line(issuer, _NAME_LENGTH),
        "not_after": not_after,
        "problem": problem,
    }
