"""Which machines a rack has."""

import pytest
from steelyard_rack.plan import BadPlan, Plan, places


def test_the_same_plan_gives_the_same_rack_again() -> None:
    assert list(places(Plan(machines=50))) == list(places(Plan(machines=50)))


def test_racks_of_other_names_have_other_machines_and_addresses() -> None:
    one, other = list(places(Plan(name="left"))), list(places(Plan(name="right")))

    assert not {place.identity.uuid for place in one} & {place.identity.uuid for place in other}
    assert not {place.address for place in one} & {place.address for place in other}


def test_ten_thousand_machines_have_names_macs_and_addresses_of_their_own() -> None:
    all_places = list(places(Plan(machines=10_000)))

    macs = [mac for place in all_places for mac in place.identity.macs]
    assert len(set(macs)) == len(macs) == 20_000
    assert len({place.address for place in all_places}) == 10_000
    assert all_places[-1].identity.name == "rack-10000"


def test_half_of_the_machines_are_redfish_and_half_ipmi_by_default() -> None:
    kinds = [place.protocols for place in places(Plan(machines=10))]

    assert kinds.count(("redfish",)) == kinds.count(("ipmi",)) == 5


def test_systems_behind_one_bmc_share_its_address_and_password() -> None:
    four = list(places(Plan(machines=4, protocols="redfish", systems_per_bmc=2)))

    assert [place.system_id for place in four] == ["1", "2", "1", "2"]
    assert len({(place.address, place.password) for place in four}) == 2


def test_a_password_does_not_show_in_a_place() -> None:
    place = next(places(Plan(password="tell-nobody")))

    assert "tell-nobody" not in repr(place)


@pytest.mark.parametrize(
    "wrong",
    [
        {"machines": 0},
        {"machines": 10_001},
        {"base_address": "192.0.2.1"},
        {"protocols": "telnet"},
        {"systems_per_bmc": 2},
        {"path_prefix": "bmc"},
        {"password": "x" * 21},
    ],
)
def test_a_plan_that_cannot_be_built_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(BadPlan):
        Plan(**wrong)  # type: ignore[arg-type]  # wrong on purpose
