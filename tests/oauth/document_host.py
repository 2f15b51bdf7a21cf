"""A host on the web for tests: https with a test authority's certificate, on loopback.

Only the network is replaced: names resolve to what a test says, and connections to any of those
addresses end at this server. Everything else, TLS and HTTP included, is the real thing.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from httpcore2 import AnyIOBackend, AsyncNetworkStream

PUBLIC_ADDRESS = "93.184.215.14"
HOST = "client.example"
URL = f"https://{HOST}/oauth/metadata.json"
# Native apps write no port into a document: they learn it when they start to listen.
NATIVE_REDIRECTS = [
    "http://127.0.0.1/callback",
    "http://127.0.0.1/oauth/callback",
    "http://localhost/oauth/callback",
]

type Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Loopback:
    """The network as tests have it. `answers` are what a name resolves to, one after the other."""

    port: int
    answers: dict[str, list[list[str]]] = field(default_factory=dict)
    resolved: list[str] = field(default_factory=list)
    connected: list[str] = field(default_factory=list)

    async def addresses(self, host: str, _port: int) -> list[str]:
        """Return the next answer; the last one stays."""
        self.resolved.append(host)
        answers = self.answers.get(host, [[PUBLIC_ADDRESS]])
        return answers.pop(0) if len(answers) > 1 else answers[0]

    async def connect(self, address: str, _port: int, *, seconds: float) -> AsyncNetworkStream:
        """Connect to the test's server, whatever the address."""
        self.connected.append(address)
        return await AnyIOBackend().connect_tcp("127.0.0.1", self.port, timeout=seconds)


@dataclass
class DocumentHost:
    """What the host answers; tests change it as they go."""

    network: Loopback
    trust: ssl.SSLContext
    authority: Path  # the authority's certificate, for processes that should trust it
    documents: dict[str, Answer] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)

    def serve(self, url: str, document: object = None, /, **metadata: object) -> None:
        """Answer with a metadata document that is in order, but for what is said."""
        body = document if document is not None else metadata_of(url, **metadata)
        self.documents[path_of(url)] = answering(orjson.dumps(body))

    def answer(self, url: str, answer: Answer) -> None:
        """Answer in some other way."""
        self.documents[path_of(url)] = answer

    def vanish(self, url: str) -> None:
        """Answer as an edge that turns programs away."""
        self.answer(url, answering(b"<html>no</html>", status=403, content_type="text/html"))


def path_of(url: str) -> str:
    """Return the path of an https address."""
    return "/" + url.removeprefix("https://").partition("/")[2]


def metadata_of(url: str, **changes: object) -> dict[str, object]:
    """Return a metadata document; a member changed to None is left out."""
    document: dict[str, object] = {
        "client_id": url,
        "client_name": "Example client",
        "redirect_uris": ["https://client.example/callback"],
        "token_endpoint_auth_method": "none",
    }
    return {name: value for name, value in (document | changes).items() if value is not None}


def answering(
    body: bytes, *, status: int = 200, content_type: str = "application/json", more: str = ""
) -> Answer:
    """Return an answer of this body."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        head = (
            f"HTTP/1.1 {status} X\r\nContent-Type: {content_type}\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n{more}\r\n"
        )
        writer.write(head.encode() + body)
        await writer.drain()

    return answer


@asynccontextmanager
async def document_host(folder: Path) -> AsyncIterator[DocumentHost]:
    """Serve documents for as long as the block lasts."""
    authority, certificate, key = _certificates()
    chain = folder / "chain.pem"
    chain.write_bytes(certificate + key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    trusted = folder / "authority.pem"
    trusted.write_bytes(authority)
    trust = ssl.create_default_context(cafile=trusted)
    host = DocumentHost(Loopback(0), trust, trusted)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            line = (await reader.readline()).decode()
            while (await reader.readline()).strip():
                pass
            path = line.split(" ")[1]
            host.requests.append(path)
            missing = answering(b"{}", status=404)
            await host.documents.get(path, missing)(writer)
        except (ConnectionError, IndexError):
            pass  # the client hung up
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    host.network.port = server.sockets[0].getsockname()[1]
    async with server:
        yield host


def _certificates() -> tuple[bytes, bytes, bytes]:
    """Return the authority's certificate, the host's, and the host's key, all in PEM."""
    now = datetime.now(UTC)
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test authority")])

    def builder(
        subject: x509.Name, public_key: ec.EllipticCurvePublicKey
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
        )

    authority = (
        builder(name, authority_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key()), critical=False
        )
        .add_extension(
            x509.KeyUsage(
                digital_signature=True,
                key_cert_sign=True,
                crl_sign=True,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .sign(authority_key, hashes.SHA256())
    )
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    names = [x509.DNSName(HOST), x509.DNSName("claude.ai"), x509.DNSName("metadata.example")]
    certificate = (
        builder(subject, key.public_key())
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()),
            critical=False,
        )
        .sign(authority_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return authority.public_bytes(pem), certificate.public_bytes(pem), private
