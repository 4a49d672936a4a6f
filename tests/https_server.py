"""A server of HTTPS on this machine, which answers as a test says: it lies, stalls, and breaks off."""

import datetime as dt
import re
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

SERVER = "127.0.0.2"
Answer = Callable[[ssl.SSLSocket, bytes], None]


@dataclass(frozen=True)
class Certificate:
    """Files: of who signs it, and of the certificate with its key."""

    ca: Path
    server: Path


def certificate_of(host: str, folder: Path) -> Certificate:
    """A certificate of a host, signed by itself, in files of the folder."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    public = certificate.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "ca.pem").write_bytes(public)
    (folder / "server.pem").write_bytes(private + public)
    return Certificate(folder / "ca.pem", folder / "server.pem")


class Server:
    """Answers each connection by the ``answer`` of a test; ``requests`` has what it was sent."""

    def __init__(self, certificate: Path, answer: Answer) -> None:
        self.requests: list[bytes] = []
        self.names: list[str | None] = []
        self._answer = answer
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(certificate)
        self._tls.sni_callback = lambda _, name, __: self.names.append(name)
        self._listening = socket.create_server((SERVER, 0))
        self.port: int = self._listening.getsockname()[1]
        Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listening.close()

    def _serve(self) -> None:
        while True:
            try:
                plain, _ = self._listening.accept()
            except OSError:
                return
            Thread(target=self._handle, args=[plain], daemon=True).start()

    def _handle(self, plain: socket.socket) -> None:
        try:
            with self._tls.wrap_socket(plain, server_side=True) as connected:
                request = _whole_request(connected)
                self.requests.append(request)
                self._answer(connected, request)
        except OSError:
            return  # the client has ended it


def _whole_request(connected: ssl.SSLSocket) -> bytes:
    request = b""
    while True:
        head, ended, body = request.partition(b"\r\n\r\n")
        length = re.search(rb"^content-length: (\d+)", head, re.I | re.M)
        if ended and len(body) >= int(length[1] if length else 0):
            return request
        chunk = connected.recv(65536)
        if not chunk:
            return request
        request += chunk


def drips(response: bytes) -> Answer:
    """Sends a byte at a time and never ends."""

    def answer(connected: ssl.SSLSocket, _: bytes) -> None:
        connected.sendall(response)
        while True:
            time.sleep(0.05)
            connected.sendall(b"x")

    return answer
