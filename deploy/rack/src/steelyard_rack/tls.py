"""Certificates of the rack: one shared self-signed one, or a small authority whose certificates name the addresses.

A TLS context costs memory, so machines share them: all of them the self-signed one, or a block of 250 addresses each
of those that the rack's authority signed.
"""

import datetime
import ipaddress
import ssl
import tempfile
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_BLOCK = 250
_DAYS = 3650
_KEY = ec.EllipticCurvePrivateKey


class Certificates:
    """Server contexts for the rack; the authority's files lie in ``folder`` and are found again there."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._self_signed: ssl.SSLContext | None = None
        self._blocks: dict[int, ssl.SSLContext] = {}
        self._authority: tuple[_KEY, x509.Certificate] | None = None

    @property
    def ca_file(self) -> Path:
        """The authority's certificate, to be named as ``redfish_verify_ca``."""
        self._signer()
        assert self._folder is not None  # noqa: S101  # _signer has made it
        return self._folder / "rack-ca.pem"

    def self_signed(self) -> ssl.SSLContext:
        """The context all machines share: nobody can verify it, as with hardware out of the box."""
        if self._self_signed is None:
            key = ec.generate_private_key(ec.SECP256R1())
            certificate = _certificate("bmc.rack.invalid", key.public_key(), key, "bmc.rack.invalid", [])
            self._self_signed = _context(key, [certificate])
        return self._self_signed

    def signed_for(self, address: str) -> ssl.SSLContext:
        """A context whose certificate names this address and is signed by the rack's authority."""
        number = int(ipaddress.ip_address(address))
        block = number // _BLOCK
        if block not in self._blocks:
            ca_key, ca = self._signer()
            key = ec.generate_private_key(ec.SECP256R1())
            names = [ipaddress.ip_address(block * _BLOCK + offset) for offset in range(_BLOCK)]
            certificate = _certificate("BMC", key.public_key(), ca_key, _common_name(ca), names)
            self._blocks[block] = _context(key, [certificate, ca])
        return self._blocks[block]

    def _signer(self) -> tuple[_KEY, x509.Certificate]:
        if self._authority is None:
            if self._folder is None:
                self._folder = Path(tempfile.mkdtemp(prefix="steelyard-rack-"))
            self._folder.mkdir(parents=True, exist_ok=True)
            self._authority = _read_authority(self._folder) or _make_authority(self._folder)
        return self._authority


def _read_authority(folder: Path) -> tuple[_KEY, x509.Certificate] | None:
    key_file, ca_file = folder / "rack-ca.key", folder / "rack-ca.pem"
    if not (key_file.exists() and ca_file.exists()):
        return None
    key = serialization.load_pem_private_key(key_file.read_bytes(), None)
    if not isinstance(key, _KEY):
        return None
    return key, x509.load_pem_x509_certificate(ca_file.read_bytes())


def _make_authority(folder: Path) -> tuple[_KEY, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = "Steelyard simulated rack"
    certificate = _certificate(name, key.public_key(), key, name, [], is_authority=True)
    key_file = folder / "rack-ca.key"
    key_file.touch(mode=0o600)
    key_file.write_bytes(_pem(key))
    (folder / "rack-ca.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return key, certificate


def _certificate(
    subject: str,
    public_key: ec.EllipticCurvePublicKey,
    signer: _KEY,
    issuer: str,
    addresses: list[ipaddress.IPv4Address | ipaddress.IPv6Address],
    *,
    is_authority: bool = False,
) -> x509.Certificate:
    start = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    alternatives: list[x509.GeneralName] = [x509.IPAddress(address) for address in addresses]
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
        .add_extension(x509.SubjectAlternativeName(alternatives or [x509.DNSName("bmc.rack.invalid")]), critical=False)
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


def _context(key: _KEY, chain: list[x509.Certificate]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    with tempfile.NamedTemporaryFile(suffix=".pem") as file:  # the ssl module reads chains from files only
        file.write(_pem(key))
        for certificate in chain:
            file.write(certificate.public_bytes(serialization.Encoding.PEM))
        file.flush()
        context.load_cert_chain(file.name)
    return context


def _pem(key: _KEY) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _common_name(certificate: x509.Certificate) -> str:
    return str(certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
