"""Lab: what makes APNs' front door: a certificate authority of its own with a server certificate, and a signing key.

All are made when the lab starts and forgotten when it ends. Writes files only where it is told to.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
import ssl
import tempfile
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

KEY_ID = "LABKEY0001"
TEAM_ID = "LABTEAM001"
TOPIC = "com.example.lab"
LIFETIME = datetime.timedelta(days=365)


class Identity:
    """`ca_pem` is `/lab/ca.pem`, `key_pem` is `/lab/apns.p8`."""

    def __init__(self) -> None:
        self.key = generate_private_key(SECP256R1())
        self.key_pem = _pem(self.key)
        ca_key, server_key = generate_private_key(SECP256R1()), generate_private_key(SECP256R1())
        ca = _authority(ca_key)
        self.ca_pem = ca.public_bytes(Encoding.PEM)
        self._chain = _server(server_key, ca, ca_key).public_bytes(Encoding.PEM) + _pem(server_key)

    def context(self) -> ssl.SSLContext:
        """The server's side of TLS: HTTP/2 is offered, and taken for granted from clients that don't negotiate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["h2"])
        with tempfile.TemporaryDirectory() as folder:  # ssl reads files only
            chain = Path(folder) / "chain.pem"
            chain.write_bytes(self._chain)
            context.load_cert_chain(chain)
        return context

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Writes CA and key for settings that want files. Answers both paths."""
        folder.mkdir(parents=True, exist_ok=True)
        ca, key = folder / "ca.pem", folder / "apns.p8"
        ca.write_bytes(self.ca_pem)
        key.touch(mode=0o600)
        key.write_bytes(self.key_pem)
        os.chmod(key, 0o600)
        return ca, key


def _pem(key: EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _authority(key: EllipticCurvePrivateKey) -> x509.Certificate:
    name = _name("Heliograph lab CA")
    usage = x509.KeyUsage(
        digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    return (
        _builder(name, name, key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, SHA256())
    )


def _server(key: EllipticCurvePrivateKey, ca: x509.Certificate, ca_key: EllipticCurvePrivateKey) -> x509.Certificate:
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    return (
        _builder(_name("localhost"), ca.subject, key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, SHA256())
    )


def _builder(subject: x509.Name, issuer: x509.Name, key: EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
