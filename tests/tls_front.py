"""TLS before the test's engines, whose own binaries know none: a certificate, and two front ends.

What the engines say passes unchanged. PostgreSQL's clients ask for TLS in the clear first (its
protocol's SSLRequest), Redis's begin with it.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

HOST = "localhost"
SSL_REQUEST = bytes.fromhex("0000000804d2162f")
PIECE_BYTES = 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """A certificate authority in a folder: `ca.pem`, and what it has issued."""

    folder: Path
    key: EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def ca(self) -> Path:
        return self.folder / "ca.pem"

    def issue(self, name: str) -> Path:
        """Return the path of a certificate for a host or client; its key lies beside it."""
        key = generate_private_key(SECP256R1())
        made = _builder(name, self.certificate.subject, key).add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False
        )
        path = self.folder / f"{name}.pem"
        path.write_bytes(made.sign(self.key, SHA256()).public_bytes(Encoding.PEM))
        _write_key(path.with_suffix(".key"), key)
        return path


def new_authority(folder: Path) -> Authority:
    folder.mkdir()
    key = generate_private_key(SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"test {folder.name}")])
    made = _builder(f"test {folder.name}", name, key).add_extension(
        x509.BasicConstraints(ca=True, path_length=0), critical=True
    )
    certificate = made.sign(key, SHA256())
    (folder / "ca.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    return Authority(folder=folder, key=key, certificate=certificate)


def _builder(name: str, issuer: x509.Name, key: EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
    )


def _write_key(path: Path, key: EllipticCurvePrivateKey) -> None:
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.touch(mode=0o600)
    path.write_bytes(text)


def server_context(certificate: Path, *, clients_of: Authority | None = None) -> ssl.SSLContext:
    """Return what a server shows; with `clients_of` it asks for a certificate of theirs."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_suffix(".key"))
    if clients_of is not None:
        context.load_verify_locations(clients_of.ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


@asynccontextmanager
async def fronted(
    engine: str, context: ssl.SSLContext | None, *, asks_first: bool
) -> AsyncIterator[int]:
    """Stand before an engine's Unix socket; yield the port. Without a context there is no TLS."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            head = b""
            if asks_first:
                head = await reader.readexactly(len(SSL_REQUEST))
                if head == SSL_REQUEST:
                    head = b""
                    writer.write(b"S" if context else b"N")
                    if context is not None:
                        await writer.start_tls(context)
            inner_reader, inner_writer = await asyncio.open_unix_connection(engine)
            inner_writer.write(head)
            await asyncio.gather(_copy(reader, inner_writer), _copy(inner_reader, writer))

    tls = None if asks_first else context
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def _copy(source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
    try:
        while piece := await source.read(PIECE_BYTES):
            to.write(piece)
            await to.drain()
    except OSError:
        return
    finally:
        to.close()
