"""A certificate authority for tests, and receivers' certificates, good and bad."""

import ipaddress
import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_DAY = timedelta(days=1)
_PEM = serialization.Encoding.PEM


@dataclass
class Authority:
    """Signs certificates; `path` is its own, for those who should trust it."""

    folder: Path
    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )

    def __post_init__(self) -> None:
        """Write the authority's own certificate down."""
        self.path = self.folder / "authority.pem"
        certificate = (
            self._builder("Test authority", self.key.public_key(), age=timedelta())
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False
            )
            .add_extension(_signs_certificates(), critical=True)
            .sign(self.key, hashes.SHA256())
        )
        self.path.write_bytes(certificate.public_bytes(_PEM))

    def server(self, *names: str, age: timedelta = timedelta()) -> ssl.SSLContext:
        """Return what a server shows that is called so; it was issued so long ago, for two days."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            self._builder("Receiver", key.public_key(), age=age)
            .add_extension(x509.SubjectAlternativeName(map(_name, names)), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()),
                critical=False,
            )
            .sign(self.key, hashes.SHA256())
        )
        private = key.private_bytes(
            _PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        chain = self.folder / "chain.pem"
        chain.write_bytes(certificate.public_bytes(_PEM) + private)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        return context

    def _builder(
        self, subject: str, key: ec.EllipticCurvePublicKey, *, age: timedelta
    ) -> x509.CertificateBuilder:
        issued_at = datetime.now(UTC) - age
        return (
            x509.CertificateBuilder()
            .subject_name(_common_name(subject))
            .issuer_name(_common_name("Test authority"))
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(issued_at - _DAY)
            .not_valid_after(issued_at + _DAY)
        )


def _common_name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _signs_certificates() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
