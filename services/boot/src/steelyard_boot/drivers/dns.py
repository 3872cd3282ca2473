"""A DNS server that takes updates (RFC 2136), signed by a key that it shares with us (TSIG, RFC 8945)."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from itertools import groupby

import dns.exception
import dns.message
import dns.name
import dns.query
import dns.rcode
import dns.tsig
import dns.tsigkeyring
import dns.update
from steelyard_common.errors import Conflict, DeviceRefused, DeviceUnreachable, SteelyardError
from steelyard_common.names import OF_BMCS as KEPT_NAMES

from ..domain.dns_records import DnsKey, Record

ADDRESSES = ("A", "AAAA")
OK, IS_THERE, IS_NOT_SO = dns.rcode.NOERROR, dns.rcode.YXDOMAIN, dns.rcode.NXRRSET
_WHY = {
    dns.rcode.REFUSED: "the key may not change this zone (in BIND: update-policy or allow-update)",
    dns.rcode.NOTAUTH: "it is not in charge of this zone, or does not know the key",
    dns.rcode.NOTZONE: "the name does not lie in the zone that is set",
    dns.rcode.SERVFAIL: "it cannot write the zone just now; its log says why",
    dns.rcode.NOTIMP: "it takes no updates",
}


class DnsServer:
    """Each call ends within ``timeout_s``, and may be repeated."""

    def __init__(self, host: str, port: int, key: DnsKey, *, ttl_s: int, timeout_s: float) -> None:
        self._host, self._port = host, port
        self._key_name = dns.name.from_text(key.name)
        self._ring = dns.tsigkeyring.from_text({key.name: (key.algorithm, key.secret)})
        self._ttl_s, self._timeout_s = ttl_s, timeout_s

    def change(self, wanted: Sequence[Record], stale: Sequence[Record], marker: str) -> None:
        """Afterwards ``wanted`` are there, and of ``stale`` what is not wanted is not.

        Errors: Conflict (the name is somebody else's), DeviceUnreachable, DeviceRefused.
        """
        until = time.monotonic() + self._timeout_s
        forward = [each for each in wanted if not each.is_reverse]
        names = {each.name for each in forward}
        for (zone, name), listed in groupby(sorted(forward, key=_place), _place):
            self._claim(zone, name, list(listed), marker, until)
        for zone, name in sorted({_place(each) for each in stale if not each.is_reverse}):
            if name not in names:
                self._leave(zone, name, marker, until)
        self._point(wanted, stale, until)

    # ---- forward: only what is ours, or nobody's

    def _claim(self, zone: str, name: str, listed: Iterable[Record], marker: str, until: float) -> None:
        """Errors: as ``change``."""
        ours = self._update(zone)
        ours.present(dns.name.from_text(name), "TXT", _quoted(marker))
        for kind in ADDRESSES:
            ours.delete(dns.name.from_text(name), kind)
        free = self._update(zone)
        free.absent(dns.name.from_text(name))
        free.add(dns.name.from_text(name), self._ttl_s, "TXT", _quoted(marker))
        for each in listed:
            for update in (ours, free):
                update.add(dns.name.from_text(name), self._ttl_s, each.type, each.value)
        if self._send(ours, zone, until, IS_NOT_SO) == OK:
            return
        if self._send(free, zone, until, IS_THERE) == IS_THERE:
            raise Conflict(
                f"the DNS name {name} is there already and is not this node's (it has no TXT record that says so): "
                "give the instance another name, or remove the records of that name"
            )

    def _leave(self, zone: str, name: str, marker: str, until: float) -> None:
        update = self._update(zone)
        update.present(dns.name.from_text(name), "TXT", _quoted(marker))
        for kind in ADDRESSES:
            update.delete(dns.name.from_text(name), kind)
        update.delete(dns.name.from_text(name), "TXT", _quoted(marker))
        self._send(update, zone, until, IS_NOT_SO)  # not ours (any more): nothing to leave

    # ---- reverse: an address has one owner, the last

    def _point(self, wanted: Sequence[Record], stale: Sequence[Record], until: float) -> None:
        pointers = {each for each in wanted if each.is_reverse}
        gone = {each for each in stale if each.is_reverse} - pointers
        for zone in sorted({each.zone for each in pointers | gone}):
            update = self._update(zone)
            for each in sorted(gone, key=_place):
                if each.zone == zone:
                    update.delete(dns.name.from_text(each.name), "PTR", each.value)
            for each in sorted(pointers, key=_place):
                if each.zone == zone:
                    update.replace(dns.name.from_text(each.name), self._ttl_s, "PTR", each.value)
            self._send(update, zone, until)

    # ---- the wire

    def _update(self, zone: str) -> dns.update.UpdateMessage:
        return dns.update.UpdateMessage(zone, keyring=self._ring, keyname=self._key_name)

    def _send(
        self, update: dns.update.UpdateMessage, zone: str, until: float, expected: dns.rcode.Rcode = OK
    ) -> dns.rcode.Rcode:  # fmt: skip
        """→ the server's answer: good or ``expected``. Errors: DeviceUnreachable, DeviceRefused."""
        try:
            left = max(0.1, until - time.monotonic())
            place = KEPT_NAMES.find(self._host, self._port, left)[0][4]
            answer = dns.query.tcp(update, str(place[0]), timeout=max(0.1, until - time.monotonic()), port=self._port)
        except (OSError, EOFError, dns.exception.DNSException) as error:
            raise _failure(error, self._host, zone) from error
        if not answer.had_tsig:
            raise DeviceRefused(f"the answer of the DNS server {self._host} is not signed: {_why(answer.rcode())}")
        if answer.rcode() in (OK, expected):
            return answer.rcode()
        said = dns.rcode.to_text(answer.rcode())
        text = f"the DNS server {self._host} did not change the zone {zone} ({said}): {_why(answer.rcode())}"
        raise DeviceUnreachable(text) if answer.rcode() == dns.rcode.SERVFAIL else DeviceRefused(text)


def _place(record: Record) -> tuple[str, str]:
    return record.zone, record.name


def _quoted(text: str) -> str:
    return f'"{text}"'


def _why(code: dns.rcode.Rcode) -> str:
    return _WHY.get(code, "its log may say why")


def _failure(error: Exception, host: str, zone: str) -> SteelyardError:
    if isinstance(error, dns.tsig.PeerBadTime):
        return DeviceRefused(f"the clocks of the boot service and of the DNS server {host} differ by minutes: set them")
    if isinstance(error, (dns.tsig.PeerError, dns.tsig.BadSignature, dns.tsig.BadKey)):
        return DeviceRefused(
            f"the DNS server {host} does not take our key ({type(error).__name__}): compare name, secret and algorithm "
            "with its configuration (STEELYARD_DNS_KEY_NAME, _SECRET, _ALGORITHM)"
        )
    if isinstance(error, (dns.exception.Timeout, TimeoutError)):
        return DeviceUnreachable(f"the DNS server {host} did not answer in time about the zone {zone}")
    why = (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
    return DeviceUnreachable(f"the DNS server {host} cannot be reached: {why}")
