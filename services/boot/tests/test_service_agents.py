"""Lookups and heartbeats: who is given the token, and who is believed."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from steelyard_boot.domain.refusals import of_heartbeat
from steelyard_common.bus import MemoryBus
from steelyard_common.db import Database
from steelyard_common.errors import Busy, InvalidRequest, NotFound, SteelyardError, Unavailable
from steelyard_common.secrets import MASK
from steelyard_common.testing import SetClock

from services.boot.tests.agent_ground import CA, NOBODY, NODE, OTHER, OTHER_CA, SEALER, URL, Ground


@pytest.fixture
def ground(database: Database, memory_bus: MemoryBus, clock: SetClock) -> Ground:
    return Ground(database, memory_bus, clock)


def test_a_token_is_given_once_and_masked_from_then_on(ground: Ground) -> None:
    first, second = ground.lookup(), ground.lookup()

    assert len(first["config"]["agent_token"]) >= 32
    assert second["config"]["agent_token"] == MASK
    for answer in (first, second):
        assert answer["node"]["driver_internal_info"]["agent_secret_token"] == MASK
        assert answer["config"]["heartbeat_timeout"] == 300
        assert answer["config"]["agent_token_required"] is True


def test_a_boot_hears_of_the_first_lookup_and_the_first_heartbeat_alone(ground: Ground) -> None:
    token = ground.token()
    ground.token()
    ground.beat(token)
    ground.beat(token)
    assert ground.came == [(NODE, "lookup"), (NODE, "heartbeat")]


def test_a_token_is_sealed_at_rest(ground: Ground) -> None:
    token = ground.token()

    with ground.database.read() as connection:
        row = orjson.dumps([str(each) for each in connection.execute(text("SELECT * FROM agents")).one()])

    assert token.encode() not in row
    assert b"sealed:" in row


def test_of_many_lookups_at_once_one_gets_the_token(ground: Ground) -> None:
    with ThreadPoolExecutor(8) as pool:
        given = list(pool.map(lambda _: ground.token(), range(24)))

    assert sorted(token == MASK for token in given) == [False] + [True] * 23


def test_a_ramdisk_too_old_for_tokens_is_given_none_and_takes_none_away(ground: Ground) -> None:
    assert ground.lookup(minor=61)["config"]["agent_token"] is None
    assert ground.token() != MASK
    assert ground.lookup(minor=61)["config"]["agent_token"] == MASK


def test_a_machine_that_was_switched_off_is_given_a_new_token(ground: Ground) -> None:
    first = ground.token()
    ground.beat(first)
    ground.inventory.switch_off(NODE)

    second = ground.token()

    assert second not in (first, MASK)
    with pytest.raises(InvalidRequest, match="agent token"):
        ground.beat(first)
    ground.beat(second, url="https://192.0.2.8:9999")


def test_a_token_is_dead_once_its_machine_was_switched_off(ground: Ground) -> None:
    token = ground.token()
    ground.beat(token)
    ground.inventory.switch_off(NODE)

    for _ in range(2):
        with pytest.raises(InvalidRequest, match="agent token"):
            ground.beat(token)

    assert len(ground.inventory.observed) == 1


def test_a_new_preparation_forgets_the_token_and_the_end_forgets_it_too(ground: Ground) -> None:
    first = ground.token()
    ground.agents.expect(NODE)
    second = ground.token()
    assert second not in (first, MASK)

    ground.agents.forget(NODE)

    with pytest.raises(InvalidRequest, match="agent token"):
        ground.beat(second)


def test_a_token_that_came_with_the_medium_is_never_told_and_outlives_a_reboot(ground: Ground) -> None:
    sealed = ground.agents.sealed_token()
    ground.agents.expect(NODE, sealed)

    assert ground.token() == MASK
    ground.beat(SEALER.open(sealed), verify_ca=CA)
    assert ground.inventory.observed[-1]["notes"]["agent_secret_token_pregenerated"] is True

    ground.inventory.switch_off(NODE)
    assert ground.token() == MASK
    ground.beat(SEALER.open(sealed), url="https://192.0.2.8:9999", verify_ca=OTHER_CA)


def test_an_agent_that_never_looked_itself_up_belongs_to_the_boot_it_called_in(ground: Ground) -> None:
    sealed = ground.agents.sealed_token()
    ground.agents.expect(NODE, sealed)
    ground.beat(SEALER.open(sealed), verify_ca=CA)
    ground.inventory.switch_off(NODE)

    assert ground.token() == MASK
    ground.beat(SEALER.open(sealed), url="https://192.0.2.8:9999", verify_ca=OTHER_CA)


def test_a_heartbeat_is_told_to_inventory_without_its_secret(ground: Ground) -> None:
    token = ground.token()

    ground.beat(token, verify_ca=CA, status="start", status_message="here")

    (told,) = ground.inventory.observed
    assert told["node"] == NODE
    assert told["notes"]["agent_url"] == URL
    assert told["notes"]["agent_version"] == "13.0.0"
    assert told["notes"]["agent_secret_token"] == MASK
    assert told["notes"]["agent_last_heartbeat"] == "2026-01-01T00:00:00.000000"
    assert told["notes"]["agent_verify_ca"].startswith("sha256:")
    assert (told["notes"]["agent_status"], told["notes"]["agent_status_message"]) == ("start", "here")
    assert token not in orjson.dumps(told).decode()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"url": "https://192.0.2.66:9999"}, "callback_url"), ({"url": ""}, "callback_url"),
        ({"verify_ca": OTHER_CA}, "agent_verify_ca"), ({"verify_ca": "x"}, "PEM"), ({"version": None}, "version"),
        ({"token": "x" * 43}, "agent token"), ({"token": ""}, "agent token"), ({"token": MASK}, "agent token"),
    ],
)  # fmt: skip
def test_an_agent_that_changes_is_refused_and_changes_nothing(ground: Ground, change: dict[str, Any], why: str) -> None:
    token = ground.token()
    ground.beat(token, verify_ca=CA)
    before = ground.agents.session(NODE)

    with pytest.raises(InvalidRequest, match=why):
        ground.beat(**{"token": token, "verify_ca": CA, **change})

    assert ground.agents.session(NODE) == before
    assert len(ground.inventory.observed) == 1


def test_a_token_of_another_node_is_refused(ground: Ground) -> None:
    mine, other = ground.token(), ground.token(OTHER)

    for token, ident in ((mine, OTHER), (mine, "n2"), (other, NODE)):
        with pytest.raises(InvalidRequest, match="agent token"):
            ground.beat(token, ident)

    assert ground.inventory.observed == []


def test_a_node_is_found_by_its_name_and_one_that_is_not_there_is_said_so(ground: Ground) -> None:
    ground.beat(ground.token(), "n1")

    for ident in ("nobody", NOBODY):
        with pytest.raises(NotFound):
            ground.beat("x" * 43, ident)


@pytest.mark.parametrize(
    "url", ["http://192.0.2.7:9999", "https://u:p@192.0.2.7", "https://192.0.2.7/?x=1", "https://"]
)
def test_an_address_that_is_not_safe_to_call_is_refused(ground: Ground, url: str) -> None:
    token = ground.token()
    with pytest.raises(InvalidRequest, match=r"TLS|callback_url"):
        ground.beat(token, url=url)


def test_an_agent_without_tls_is_taken_where_the_operator_says_so(
    database: Database, memory_bus: MemoryBus, clock: SetClock
) -> None:
    ground = Ground(database, memory_bus, clock, require_tls=False)
    ground.beat(ground.token(), url="http://192.0.2.7:9999")
    assert ground.inventory.observed[0]["notes"]["agent_url"] == "http://192.0.2.7:9999"


def test_a_ramdisk_that_cannot_be_called_says_how_it_is(ground: Ground) -> None:
    ground.beat(ground.token(), url="", version=None, status="end")
    assert ground.inventory.observed[0]["notes"]["agent_status"] == "end"


def test_a_first_heartbeat_on_a_locked_node_is_to_be_repeated_and_is_good_then(ground: Ground) -> None:
    token = ground.token()
    ground.inventory.answers[NODE] = "busy"
    with pytest.raises(Busy):
        ground.beat(token)

    ground.inventory.answers[NODE] = "ignored"
    ground.beat(token)
    del ground.inventory.answers[NODE]
    ground.beat(token)

    assert len(ground.inventory.observed) == 1


def test_nothing_is_lost_while_inventory_is_away(ground: Ground) -> None:
    token = ground.token()
    ground.inventory.is_away = True
    with pytest.raises(Unavailable):
        ground.beat(token)

    ground.inventory.is_away = False
    ground.beat(token)

    assert len(ground.inventory.observed) == 1


def test_heartbeats_that_come_together_travel_together_and_fail_alone(ground: Ground) -> None:
    for number in range(40):
        ground.inventory.nodes[str(uuid.UUID(int=100 + number))] = {}
    nodes = [node for node in ground.inventory.nodes if node not in (NODE, OTHER)]
    tokens = {node: ground.token(node) for node in nodes}
    tokens[nodes[0]] = "x" * 43

    def beat(node: str) -> str:
        try:
            ground.beat(tokens[node], node, f"https://192.0.2.7:{9000 + int(node[-2:], 16)}")
        except SteelyardError as error:
            return error.message
        return ""

    with ThreadPoolExecutor(16) as pool:
        said = dict(zip(nodes, pool.map(beat, nodes), strict=True))

    assert [node for node, error in said.items() if error] == [nodes[0]]
    assert {each["node"] for each in ground.inventory.observed} == set(nodes[1:])
    assert ground.inventory.messages < len(nodes)


class Story:
    """The model: the token that is good now, those that were, and where the agent is called in this boot."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        ground.agents.expect(NODE)
        self.foreign = ground.token(OTHER)
        self.good: str | None = None
        self.old: list[str] = []
        self.requests, self.issued_to, self.is_heard = 0, "", False
        self.is_medium, self.boot = False, 0

    @property
    def url(self) -> str:
        return f"https://192.0.2.7:{10_000 + self.boot}"

    def lookup(self) -> None:
        self.requests += 1
        token = self.ground.token(request_id=f"req-{self.requests}")
        assert (token == MASK) is (self.good is not None)
        if self.good is None:
            self.good, self.issued_to, self.is_heard = token, f"req-{self.requests}", False

    def again(self) -> None:
        """The request that the token was told to is told twice."""
        if self.issued_to:
            token = self.ground.token(request_id=self.issued_to)
            assert token == (MASK if self.is_heard else self.good)

    def beat(self) -> None:
        if self.good is None:
            return
        seen = len(self.ground.inventory.observed)
        self.ground.beat(self.good, url=self.url)
        self.is_heard = True
        assert len(self.ground.inventory.observed) == seen + 1
        self._refused(self.good, "https://192.0.2.66:9999")

    def strangers(self) -> None:
        for token in [*self.old, self.foreign]:
            self._refused(token, self.url)

    def off(self) -> None:
        self.boot += 1
        self.ground.inventory.switch_off(NODE)
        if self.is_medium:
            self.lookup()  # the agent looks itself up, as agents do, and is told nothing
        else:
            self._lose()

    def prepare(self) -> None:
        self.boot += 1
        self._lose()
        self.is_medium = False
        self.ground.agents.expect(NODE)

    def medium(self) -> None:
        self.prepare()
        sealed = self.ground.agents.sealed_token()
        self.ground.agents.expect(NODE, sealed)
        self.is_medium, self.good = True, SEALER.open(sealed)

    def _lose(self) -> None:
        self.old += [self.good] if self.good is not None else []
        self.good, self.issued_to = None, ""

    def _refused(self, token: str, url: str) -> None:
        seen = len(self.ground.inventory.observed)
        with pytest.raises(InvalidRequest):
            self.ground.beat(token, url=url)
        assert len(self.ground.inventory.observed) == seen


EVENTS = ["lookup", "again", "beat", "strangers", "off", "prepare", "medium"]


@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.sampled_from(EVENTS), max_size=14))
def test_whatever_happens_only_the_present_boots_agent_is_believed(ground: Ground, events: list[str]) -> None:
    story = Story(ground)
    for event in events:
        getattr(story, event)()
    story.strangers()


def refused(ground: Ground, token: str, **more: Any) -> None:
    with pytest.raises(InvalidRequest):
        ground.beat(token, **more)


def test_whoever_waits_for_an_agent_is_told_once_in_a_while_which_one_was_refused_and_why(ground: Ground) -> None:
    good = ground.token()
    refused(ground, "x" * 43, url="https://root:word@192.0.2.66:9999")
    refused(ground, "y" * 43)
    assert len(ground.inventory.refused) == len(ground.noted) == 1
    (told,) = ground.inventory.refused
    assert told["node"] == NODE
    for words in ("An agent at 192.0.2.66 called at 00:00:00 UTC", "Invalid or missing agent token", "switch it off"):
        assert words in told["words"]
    for secret in (good, "x" * 43, "word@"):
        assert secret not in told["words"]

    ground.clock.advance(61)
    refused(ground, good, url="https://192.0.2.67:9999/\n<b>", version="")
    assert "Build the ramdisk with ironic-python-agent 12 or newer" in ground.inventory.refused[-1]["words"]
    assert len(ground.noted) == 2

    ground.agents.expect(NODE)
    refused(ground, good)
    assert len(ground.noted) == 3, "of another boot it is news at once"


def test_a_token_that_is_asked_for_again_is_told_of_unless_it_came_on_the_medium(ground: Ground) -> None:
    ground.token()
    assert ground.inventory.refused == []
    ground.token()
    assert "asked for its token at 00:00:00 UTC" in ground.inventory.refused[0]["words"]

    ground.agents.expect(OTHER, ground.agents.sealed_token())
    ground.token(OTHER)
    assert [each["node"] for each in ground.inventory.refused] == [NODE]


def test_whoever_waits_is_told_of_a_ramdisk_with_addresses_of_several_nodes_which_gets_none(ground: Ground) -> None:
    macs = [f"52:54:00:00:00:{number:02x}" for number in range(10)]
    ground.inventory.nodes[NODE]["macs"], ground.inventory.nodes[OTHER]["macs"] = macs[:1], macs[1:2]

    for _ in range(2):
        with pytest.raises(NotFound):
            ground.lookup(NOBODY, addresses=macs)
    with pytest.raises(NotFound):
        ground.lookup(NOBODY, addresses=macs[:1])

    assert [each["node"] for each in ground.inventory.refused] == [NODE, OTHER]
    words = ground.inventory.refused[0]["words"]
    assert "52:54:00:00:00:00, 52:54:00:00:00:01" in words
    assert macs[9] not in words
    assert "ports of several nodes" in words


@pytest.mark.parametrize("url", ["", "https://[", "https://bad host/", "https://" + "a" * 200])
def test_an_address_that_is_none_is_not_repeated(url: str) -> None:
    assert "An agent of no known address called" in of_heartbeat(url, "for a reason", SetClock()())
