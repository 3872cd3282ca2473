"""The table of ``dhcp`` as Kea reads it: client classes, and a reservation a NIC. Pure.

Both are JSON arrays for ``<?include "…"?>`` in kea-dhcp4.conf. A class that depends on KNOWN is looked at after the
reservation was found (Kea ARM, "Client Classification"), and so knows what the reservation says.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .dhcp import INTERFACES, TAG, Answer, Host, SiteRules, answers, file_tag, http_numbers, own_answers

IS_IPXE, OWN = "option[175].exists", f"{TAG}-own"
HTTP_CLIENT: dict[str, Any] = {
    "option-data": [{"name": "vendor-class-identifier", "code": 60, "data": "HTTPClient", "always-send": True}]
}


def classes(rules: SiteRules) -> list[dict[str, Any]]:
    """In the order in which they are looked at."""
    names = [*(f"{TAG}-{interface}" for interface in INTERFACES), OWN, *map(file_tag, rules.loaders)]
    made: list[dict[str, Any]] = [{"name": name} for name in names]
    made += [_class(number, answer, rules) for number, answer in enumerate(answers(rules))]
    http = " or ".join(f"option[93].hex == 0x{number:04x}" for number in http_numbers())
    for name, file, is_http in own_answers(rules):
        made.append(_own(name, file, rules, http, is_http=is_http))
    return made


def _own(name: str, file: str, rules: SiteRules, http: str, *, is_http: bool) -> dict[str, Any]:
    test = f"member('KNOWN') and member('{file_tag(name)}') and not {IS_IPXE} and {'' if is_http else 'not '}({http})"
    made: dict[str, Any] = {
        "name": f"{file_tag(name)}-answer{'-http' if is_http else ''}", "test": test, "boot-file-name": file,
    }  # fmt: skip
    return made | (HTTP_CLIENT if is_http else {"next-server": rules.tftp_server} if rules.tftp_server else {})


def _class(number: int, answer: Answer, rules: SiteRules) -> dict[str, Any]:
    tests = [f"member('KNOWN') and member('{TAG}-{answer.interface}')"]
    if answer.interface == "ipxe" and not rules.only_known:
        tests.append("member('UNKNOWN')")
    machine = IS_IPXE if answer.is_ipxe else f"not member('{OWN}') and option[93].hex == 0x{answer.arch or 0:04x}"
    if not answer.is_ipxe and answer.interface.endswith("ipxe"):
        machine += f" and not {IS_IPXE}"
    made: dict[str, Any] = {
        "name": f"{TAG}-answer-{number}",
        "test": f"({' or '.join(f'({test})' for test in tests)}) and ({machine})",
        "boot-file-name": answer.file,
    }
    if rules.tftp_server and not (answer.is_ipxe or answer.is_http):
        made["next-server"] = rules.tftp_server
    if answer.is_http:
        made |= HTTP_CLIENT
    return made


def reservations(hosts: Sequence[Host]) -> list[dict[str, Any]]:
    """One a NIC. They hold no address: the pools give those."""
    made = []
    for entry in sorted(hosts, key=lambda each: each.node_uuid):
        for mac in entry.macs:
            own = [OWN, file_tag(entry.loader)] if entry.loader is not None else []
            made.append({"hw-address": mac, "client-classes": [f"{TAG}-{entry.interface}", *own]})
    return made
