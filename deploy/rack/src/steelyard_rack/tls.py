"""Certificates of the rack: one shared self-signed one, or a small authority whose certificates name the addresses.

A TLS context costs memory, so machines share them: all of them the self-signed one, or a block of 250 addresses each
of those that the rack's authority signed.
"""

import ipaddress
import ssl
import tempfile
from pathlib import Path

from cryptography import x509
from steelyard_common.certificates import Authority, Key, certificate_pem, key_pem, new_key, self_signed

_BLOCK = 250
_STEM = "rack-ca"


class Certificates:
    """Server contexts for the rack; the authority's files lie in ``folder`` and are found again there."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._self_signed: ssl.SSLContext | None = None
        self._blocks: dict[int, ssl.SSLContext] = {}
        self._authority: Authority | None = None

    @property
    def ca_file(self) -> Path:
        """The authority's certificate, to be named as ``redfish_verify_ca``."""
        self._signer()
        assert self._folder is not None  # noqa: S101  # _signer has made it
        return self._folder / f"{_STEM}.pem"

    def self_signed(self) -> ssl.SSLContext:
        """The context all machines share: nobody can verify it, as with hardware out of the box."""
        if self._self_signed is None:
            key = new_key()
            self._self_signed = _context(key, [self_signed("bmc.rack.invalid", key)])
        return self._self_signed

    def signed_for(self, address: str) -> ssl.SSLContext:
        """A context whose certificate names this address and is signed by the rack's authority."""
        number = int(ipaddress.ip_address(address))
        block = number // _BLOCK
        if block not in self._blocks:
            signer = self._signer()
            key = new_key()
            hosts = [str(ipaddress.ip_address(block * _BLOCK + offset)) for offset in range(_BLOCK)]
            self._blocks[block] = _context(key, [signer.issue("BMC", key, hosts), signer.certificate])
        return self._blocks[block]

    def _signer(self) -> Authority:
        if self._authority is None:
            if self._folder is None:
                self._folder = Path(tempfile.mkdtemp(prefix="steelyard-rack-"))
            self._authority = Authority.keep(self._folder, _STEM, "Steelyard simulated rack")
        return self._authority


def _context(key: Key, chain: list[x509.Certificate]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    with tempfile.NamedTemporaryFile(suffix=".pem") as file:  # the ssl module reads chains from files only
        file.write(key_pem(key))
        for certificate in chain:
            file.write(certificate_pem(certificate))
        file.flush()
        context.load_cert_chain(file.name)
    return context
