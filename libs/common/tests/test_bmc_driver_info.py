"""driver_info: what is read, what is refused, and that every fault is named at once."""

from __future__ import annotations

from typing import Any

import pytest
from steelyard_common.bmc.driver_info import PROPERTIES, read_ipmi, read_redfish, validate
from steelyard_common.errors import InvalidRequest


@pytest.mark.parametrize(
    ("address", "url", "root"),
    [
        ("bmc.example.org", "https://bmc.example.org", "/redfish/v1/"),
        ("http://192.0.2.7:8000/", "http://192.0.2.7:8000", "/redfish/v1/"),
        ("[2001:db8::7]:8443", "https://[2001:db8::7]:8443", "/redfish/v1/"),
        ("https://proxy/rack7", "https://proxy", "/rack7/redfish/v1/"),
        ("https://proxy/rack7/redfish/v1", "https://proxy", "/rack7/redfish/v1/"),
    ],
)
def test_an_address_gives_the_service_root(address: str, url: str, root: str) -> None:
    target = read_redfish({"redfish_address": address})

    assert (target.url, target.root) == (url, root)


@pytest.mark.parametrize(
    "address", ["ftp://bmc", "https://", "https://u:p@bmc", "https://bmc:port", "https://bmc?x=1", 17, True, ["bmc"]]
)
def test_an_address_that_makes_no_sense_is_refused(address: Any) -> None:
    with pytest.raises(InvalidRequest, match="redfish_address"):
        validate("redfish", {"redfish_address": address})


@pytest.mark.parametrize(
    ("given", "read"),
    [(None, True), (True, True), (False, False), ("False", False), ("yes", True), ("/etc/ca", "/etc/ca")],
)
def test_verify_ca_is_a_truth_or_a_path(given: Any, read: Any) -> None:
    assert read_redfish({"redfish_address": "bmc", "redfish_verify_ca": given}).verify == read


def test_all_faults_are_named_at_once() -> None:
    info = {"redfish_verify_ca": "perhaps", "redfish_auth_type": "magic", "redfish_tls_minimum_version": "1.0"}

    with pytest.raises(InvalidRequest) as caught:
        validate("redfish", info)

    for key in ("redfish_address is missing", "redfish_verify_ca", "redfish_auth_type", "redfish_tls_minimum_version"):
        assert key in caught.value.message


@pytest.mark.parametrize(
    ("key", "value"),
    [("ipmi_port", "99999"), ("ipmi_port", "x"), ("ipmi_priv_level", "ROOT"), ("ipmi_cipher_suite", 1),
     ("ipmi_hex_kg_key", "zz"), ("ipmi_bridging", "dual"), ("ipmi_protocol_version", "1.5"),
     ("ipmi_username", "x" * 17), ("ipmi_disable_boot_timeout", "perhaps")],
)  # fmt: skip
def test_a_wrong_ipmi_key_is_named(key: str, value: Any) -> None:
    with pytest.raises(InvalidRequest, match=key):
        validate("ipmitool", {"ipmi_address": "192.0.2.9", key: value})


def test_ipmi_defaults() -> None:
    target = read_ipmi({"ipmi_address": "192.0.2.9"})

    assert (target.address, target.privilege, target.cipher_suite) == ("192.0.2.9:623", None, None)
    assert target.disable_boot_timeout is True


@pytest.mark.parametrize("secret", ["******", "sealed:k1:abc", "ab" * 20, "", None])
def test_a_kg_key_may_be_sealed_or_masked(secret: Any) -> None:
    validate("ipmitool", {"ipmi_address": "192.0.2.9", "ipmi_hex_kg_key": secret})


def test_a_refusal_never_repeats_a_secret() -> None:
    with pytest.raises(InvalidRequest) as caught:
        validate("ipmitool", {"ipmi_hex_kg_key": "canary-7f3a", "ipmi_password": "canary-7f3a"})

    assert "canary" not in str(caught.value)


def test_kinds_without_hardware_need_nothing() -> None:
    validate("fake", {})
    validate("noop", {"anything": 1})


def test_every_key_of_ironic_has_a_description() -> None:
    assert {"redfish_address", "redfish_system_id", "redfish_tls_ciphers"} <= set(PROPERTIES["redfish"])
    assert {"ipmi_address", "ipmi_cipher_suite", "ipmi_terminal_port"} <= set(PROPERTIES["ipmitool"])
    assert PROPERTIES["fake"] == {}
    for table in PROPERTIES.values():
        assert all(text.endswith(".") for text in table.values())
