"""Sign-in by tokens of a real Keystone: the gateway's way in alone, and the whole suite under the real command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from steelyard_api_gateway.main import make_sign_in
from steelyard_api_gateway.service.call import Caller
from steelyard_api_gateway.service.identity import Credentials, SignIn
from steelyard_api_gateway.settings import Settings
from steelyard_common.errors import Unauthenticated, Unavailable
from steelyard_common.settings import read
from steelyard_common.testing import eventually
from steelyard_local.testing import RunningSuite, running_suite

from .people import PASSWORD, People
from .real_keystone import Keystone, running_keystone

CACHE_S = 2.0


@pytest.fixture(scope="session")
def keystone() -> Iterator[Keystone]:
    with running_keystone() as keystone:
        yield keystone


@pytest.fixture(scope="session")
def people(keystone: Keystone) -> People:
    return People.settle(keystone)


def variables(keystone: Keystone, **more: str) -> dict[str, str]:
    return {
        "STEELYARD_AUTH": "keystone",
        "STEELYARD_KEYSTONE_URL": keystone.url,
        "STEELYARD_KEYSTONE_USERNAME": "steelyard",
        "STEELYARD_KEYSTONE_PASSWORD": PASSWORD,
        "STEELYARD_KEYSTONE_PROJECT": "service",
        "STEELYARD_AUTH_CACHE_S": str(CACHE_S),
        "STEELYARD_AUTH_TIMEOUT_S": "20",
        **more,
    }


@pytest.fixture
def door(keystone: Keystone, people: People) -> SignIn:
    return make_sign_in(read(Settings, variables(keystone)))


def bring(door: SignIn, token: str, service_token: str | None = None) -> Caller:
    return door.identify(Credentials(token=token, service_token=service_token))


def test_a_project_token_makes_a_caller_of_the_project_with_implied_roles(people: People, door: SignIn) -> None:
    caller = bring(door, people.token("ann", project="tenant"))

    assert caller.user == people.ids["ann"]
    assert set(caller.roles) == {"manager", "member", "reader"}
    assert (caller.project, caller.domain, caller.system) == (people.ids["tenant"], None, False)
    assert not caller.service


def test_a_system_token_makes_a_caller_of_the_system(people: People, door: SignIn) -> None:
    caller = bring(door, people.token("root", system=True))

    assert (caller.project, caller.domain, caller.system) == (None, None, True)
    assert "admin" in caller.roles


def test_a_domain_token_and_one_without_a_scope_make_callers_of_no_project(people: People, door: SignIn) -> None:
    of_domain = bring(door, people.token("ann", domain=True))
    unscoped = bring(door, people.token("ann"))

    assert (of_domain.project, of_domain.domain, of_domain.system) == (None, "default", False)
    assert of_domain.roles
    assert (unscoped.project, unscoped.domain, unscoped.system, unscoped.roles) == (None, None, False, ())


def test_a_service_account_is_a_service(people: People, door: SignIn) -> None:
    assert bring(door, people.token("nova", project="service")).service


@pytest.mark.parametrize("token", ["gAAAAABn" + "x" * 170, "a" * 32, "short", "é" * 40, "x y" * 20, "x" * 9000])
def test_what_is_no_token_of_keystone_is_refused(door: SignIn, token: str) -> None:
    for _ in range(2):
        with pytest.raises(Unauthenticated):
            bring(door, token)


def test_without_a_token_the_challenge_says_where_to_get_one(keystone: Keystone, door: SignIn) -> None:
    with pytest.raises(Unauthenticated):
        door.identify(Credentials(authorization="Basic YTpi"))

    assert door.challenge == f'Keystone uri="{keystone.url.removesuffix("/v3")}"'


def test_a_revoked_token_gets_in_no_longer_than_verdicts_are_kept(people: People, door: SignIn) -> None:
    token = people.token("ann", project="tenant")
    bring(door, token)

    people.revoke(token)
    revoked_at = time.monotonic()

    eventually(lambda: is_refused(door, token))
    assert time.monotonic() - revoked_at < CACHE_S + 5  # Keystone itself takes a while on a busy machine


def is_refused(door: SignIn, token: str) -> bool:
    try:
        bring(door, token)
    except Unauthenticated:
        return True
    return False


def test_a_user_who_is_disabled_is_refused_soon(people: People, door: SignIn) -> None:
    token = people.token("bob", project="tenant")
    bring(door, token)

    people.disable("bob")

    eventually(lambda: is_refused(door, token))


def test_a_service_vouches_for_a_token_but_lends_no_rights(people: People, door: SignIn) -> None:
    user, service = people.token("ann", project="tenant"), people.token("nova", project="service")

    assert bring(door, user, service) == bring(door, user)
    with pytest.raises(Unauthenticated):
        bring(door, user, "x" * 180)


def test_an_ended_token_gets_in_only_with_a_service_that_vouches(
    keystone: Keystone, people: People, door: SignIn
) -> None:
    with keystone.short_tokens(seconds=1):
        ended = people.token("ann", project="tenant")
    service, no_service = people.token("nova", project="service"), people.token("carl", project="tenant")
    eventually(lambda: is_refused(door, ended))

    assert bring(door, ended, service).user == people.ids["ann"]
    with pytest.raises(Unauthenticated):
        bring(door, ended, no_service)


def test_while_keystone_is_away_nobody_is_refused_and_known_tokens_go_on(keystone: Keystone, people: People) -> None:
    door = make_sign_in(read(Settings, variables(keystone, STEELYARD_AUTH_CACHE_S="600")))
    known, other = people.token("ann", project="tenant"), people.token("root", system=True)
    bring(door, known)

    keystone.stop()
    try:
        assert bring(door, known).user == people.ids["ann"]
        with pytest.raises(Unavailable):
            bring(door, other)
        with pytest.raises(Unavailable):
            bring(door, "x" * 180)
    finally:
        keystone.start()

    eventually(lambda: bool(answered(lambda: bring(door, other))))


def answered(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except Unavailable:
        return None


def test_a_wrong_password_of_our_own_is_our_trouble_and_not_the_users(keystone: Keystone, people: People) -> None:
    door = make_sign_in(read(Settings, variables(keystone, STEELYARD_KEYSTONE_PASSWORD="wrong-one")))

    with pytest.raises(Unavailable) as trouble:
        bring(door, people.token("ann", project="tenant"))

    assert "STEELYARD_KEYSTONE_PASSWORD" not in trouble.value.message
    assert "wrong-one" not in trouble.value.message + trouble.value.detail


def test_a_token_let_in_before_costs_a_tenth_of_a_millisecond_at_most(keystone: Keystone, people: People) -> None:
    door = make_sign_in(read(Settings, variables(keystone, STEELYARD_AUTH_CACHE_S="60")))
    credentials = Credentials(token=people.token("ann", project="tenant"))
    door.identify(credentials)

    began = time.thread_time()
    for _ in range(2000):
        door.identify(credentials)

    assert (time.thread_time() - began) / 2000 < 0.0001


@pytest.fixture(scope="session")
def suite(keystone: Keystone, people: People) -> Iterator[RunningSuite]:
    with running_suite("--auth", "keystone", environment=variables(keystone)) as suite:
        yield suite


def baremetal(keystone: Keystone, suite: RunningSuite, *words: str, **who: str) -> Any:
    """The real command, signing in with a password; the endpoint is told it, as the how-to says."""
    program = Path(sys.executable).parent / "baremetal"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
    environment |= {"OS_AUTH_TYPE": "password", "OS_AUTH_URL": keystone.url, "OS_PASSWORD": PASSWORD}
    environment |= {"OS_USER_DOMAIN_NAME": "Default", "OS_BAREMETAL_ENDPOINT_OVERRIDE": suite.url, **who}
    done = subprocess.run([program, *words], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) if "json" in words else done.stdout


def test_the_command_works_with_a_password(keystone: Keystone, people: People, suite: RunningSuite) -> None:
    admin = {"OS_USERNAME": "root", "OS_SYSTEM_SCOPE": "all"}
    tenant = {"OS_USERNAME": "ann", "OS_PROJECT_NAME": "tenant", "OS_PROJECT_DOMAIN_NAME": "Default"}
    for name, owner in (("theirs", people.ids["tenant"]), ("ours", people.ids["service"])):
        words = ["node", "create", "--driver", "fake-hardware", "--name", name, "--owner", owner, "-f", "json"]
        assert baremetal(keystone, suite, *words, **admin)["name"] == name

    seen_by_admin = baremetal(keystone, suite, "node", "list", "-f", "json", **admin)
    seen_by_tenant = baremetal(keystone, suite, "node", "list", "-f", "json", **tenant)

    assert {node["name"] for node in seen_by_admin} == {"theirs", "ours"}
    assert {node["name"] for node in seen_by_tenant} == {"theirs"}


def test_over_http_a_stranger_is_told_where_to_sign_in(keystone: Keystone, suite: RunningSuite) -> None:
    for headers in ({}, {"X-Auth-Token": "x" * 180}, {"Authorization": "Bearer " + "x" * 180}):
        refused = requests.get(f"{suite.url}/v1/nodes", headers=headers, timeout=20)

        assert refused.status_code == 401
        assert refused.headers["WWW-Authenticate"] == f'Keystone uri="{keystone.url.removesuffix("/v3")}"'
    assert requests.get(f"{suite.url}/v1", timeout=20).status_code == 200


def test_no_password_and_no_token_reaches_a_log_or_another_service(
    keystone: Keystone, people: People, suite: RunningSuite
) -> None:
    token = people.token("ann", project="tenant")
    assert requests.get(f"{suite.url}/v1/nodes", headers={"X-Auth-Token": token}, timeout=20).status_code == 200

    for log in (suite.data / "logs").iterdir():
        text = log.read_text(errors="replace")
        assert token not in text
        assert PASSWORD not in text
