"""A small certificate authority in two files of a folder, and certificates signed by it: for what makes its own TLS.

Elliptic-curve keys (P-256), ten years. A folder's authority is found again, so that who trusts it goes on doing so.
"""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from .secrets import write_secret

Key = ec.EllipticCurvePrivateKey
_DAYS = 3650
_NOBODY = "nobody.invalid"


@dataclass(frozen=True)
class Authority:
    """Signs certificates. ``certificate`` is what others must trust."""

    key: Key
    certificate: x509.Certificate

    @classmethod
    def keep(cls, folder: Path, stem: str, name: str) -> Authority:
        """The authority of ``folder`` (``<stem>.key``, mode 0600, and ``<stem>.pem``), made if it is not there."""
        key_file, certificate_file = folder / f"{stem}.key", folder / f"{stem}.pem"
        if key_file.exists() and certificate_file.exists():
            key = serialization.load_pem_private_key(key_file.read_bytes(), None)
            if isinstance(key, Key):
                return cls(key, x509.load_pem_x509_certificate(certificate_file.read_bytes()))
        folder.mkdir(parents=True, exist_ok=True)
        made = cls._make(name)
        write_secret(key_file, key_pem(made.key).decode())
        certificate_file.write_bytes(certificate_pem(made.certificate))
        return made

    @classmethod
    def _make(cls, name: str) -> Authority:
        key = new_key()
        return cls(key, _certificate(name, key.public_key(), key, name, [], is_authority=True))

    def issue(self, subject: str, key: Key, hosts: Sequence[str]) -> x509.Certificate:
        """A server's certificate for ``hosts``: addresses and names."""
        return _certificate(subject, key.public_key(), self.key, _common_name(self.certificate), hosts)


def new_key() -> Key:
    return ec.generate_private_key(ec.SECP256R1())


def self_signed(subject: str, key: Key, hosts: Sequence[str] = ()) -> x509.Certificate:
    """A server's certificate that only those can verify who have it."""
    return _certificate(subject, key.public_key(), key, subject, hosts)


def key_pem(key: Key) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def certificate_pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _certificate(
    subject: str,
    public_key: ec.EllipticCurvePublicKey,
    signer: Key,
    issuer: str,
    hosts: Sequence[str],
    *,
    is_authority: bool = False,
) -> x509.Certificate:
    start = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    names = [_general_name(host) for host in hosts or [_NOBODY]]
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=_DAYS))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=0 if is_authority else None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .add_extension(_usage(is_authority=is_authority), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
    )
    return builder.sign(signer, hashes.SHA256())


def _usage(*, is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _common_name(certificate: x509.Certificate) -> str:
    return str(certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
