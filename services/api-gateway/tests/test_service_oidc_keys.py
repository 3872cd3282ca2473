"""Sign-in with OpenID Connect: the issuer's keys, how they are fetched and for how long they serve."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from joserfc.jwk import RSAKey
from steelyard_api_gateway.domain.claims import Mapped
from steelyard_api_gateway.drivers.oidc_issuer import IssuerApi
from steelyard_api_gateway.service.identity import SignIn
from steelyard_api_gateway.service.key_ring import KEPT_S, LEAST_S, LINE
from steelyard_api_gateway.service.oidc import OidcSignIn
from steelyard_api_gateway.settings import Settings
from steelyard_api_gateway.settings_sign_in import SIGNATURES
from steelyard_common.errors import Unauthenticated, Unavailable
from steelyard_common.testing import eventually

from tests.contract.oidc_door import bearer
from tests.contract.oidc_issuer import AUDIENCE, Issuer


def test_a_new_key_is_fetched_when_a_token_names_it_and_a_withdrawn_one_forgotten_at_once(issuer: Issuer) -> None:
    now = [1000.0]
    door = timed(issuer, now)
    old = issuer.token()
    door.identify(bearer(old))
    assert issuer.asked == 1

    issuer.rotate(keep=False)
    now[0] += LEAST_S

    assert door.identify(bearer(issuer.token())).user == "operators"
    assert issuer.asked == 2
    with pytest.raises(Unauthenticated):
        door.identify(bearer(old))


def timed(issuer: Issuer, now: list[float], timeout_s: float = 30.0) -> OidcSignIn:
    api = IssuerApi(issuer.url, timeout_s=timeout_s)
    return OidcSignIn(
        api, issuer=issuer.url, audience=AUDIENCE, mapped=Mapped(), algorithms=SIGNATURES, leeway_s=0, remember_s=60,
        keys_fresh_s=300, clock=lambda: now[0],
    )  # fmt: skip


def test_unknown_keys_are_asked_for_only_so_often_however_many_tokens_name_them(issuer: Issuer) -> None:
    now = [1000.0]
    door = timed(issuer, now)
    door.identify(bearer(issuer.token()))

    for number in range(200):
        if number == 100:
            now[0] += LEAST_S
        with pytest.raises(Unauthenticated):
            door.identify(bearer(issuer.signed({"kid": f"unknown {number}"})))

    assert issuer.asked == 2


def test_keys_are_fetched_anew_in_time_so_that_a_withdrawn_one_ends(issuer: Issuer) -> None:
    now = [1000.0]
    door = timed(issuer, now)
    old = issuer.signed()
    door.identify(bearer(old))
    issuer.rotate(keep=False)

    now[0] += 301

    with pytest.raises(Unauthenticated):
        door.identify(bearer(issuer.signed(sub="bob", key=RSAKey.generate_key(2048))))
    with pytest.raises(Unauthenticated):
        door.identify(bearer(old))


def test_without_keys_nobody_is_refused_or_let_in_and_the_issuer_is_not_pressed(issuer: Issuer) -> None:
    now = [1000.0]
    door = timed(issuer, now)
    token = issuer.token()
    issuer.mode = "away"

    for _ in range(20):
        with pytest.raises(Unavailable):
            door.identify(bearer(token))
    issuer.mode = "well"
    now[0] += 1

    assert door.identify(bearer(token)).user == "operators"


def test_while_the_issuer_is_away_its_keys_serve_for_an_hour_and_no_longer(issuer: Issuer) -> None:
    now = [1000.0]
    door = timed(issuer, now)
    door.identify(bearer(issuer.token()))
    tokens = [issuer.signed(sub=f"user {number}") for number in range(2)]
    issuer.mode = "away"

    now[0] += KEPT_S - 1
    assert door.identify(bearer(tokens[0])).user == "user 0"
    now[0] += LEAST_S
    with pytest.raises(Unavailable):
        door.identify(bearer(tokens[1]))


@pytest.mark.parametrize("mode", ["moved", "large", "text"])
def test_a_key_set_that_is_none_is_not_taken(issuer: Issuer, door: SignIn, mode: str) -> None:
    token = issuer.token()
    issuer.mode = mode

    with pytest.raises(Unavailable):
        door.identify(bearer(token))


@pytest.mark.parametrize(
    "document",
    [{"issuer": "https://evil.example"}, {"jwks_uri": "http://evil.example/jwks"}, {"jwks_uri": None},
     {"jwks_uri": "file:///etc/passwd"}, {"jwks_uri": ["x"]}],
)  # fmt: skip
def test_a_discovery_document_that_leads_astray_is_not_followed(
    issuer: Issuer, door: SignIn, document: dict[str, Any]
) -> None:
    token = issuer.token()
    issuer.discovery = document

    with pytest.raises(Unavailable):
        door.identify(bearer(token))


def test_an_issuer_that_does_not_answer_holds_few_and_only_for_a_time(issuer: Issuer) -> None:
    door = timed(issuer, [1000.0], timeout_s=1.0)
    token = issuer.token()
    issuer.gate.clear()
    try:
        with ThreadPoolExecutor(16) as pool:
            began = time.monotonic()
            all_of_them = [pool.submit(door.identify, bearer(issuer.signed(sub=f"u{n}"))) for n in range(60)]
            assert all(isinstance(each.exception(120), Unavailable) for each in all_of_them)
            assert time.monotonic() - began < 30, "not one second for each"
    finally:
        issuer.gate.set()
    assert token


def test_a_flood_of_bad_tokens_delays_nobody_who_is_known(issuer: Issuer, door: SignIn) -> None:
    good, stop = bearer(issuer.token()), threading.Event()
    door.identify(good)
    bad = [issuer.signed({"kid": f"unknown {number}"}) for number in range(300)]
    issuer.gate.clear()  # and the issuer hangs

    def flood() -> int:
        refused = 0
        while not stop.is_set():
            for token in bad:
                try:
                    door.identify(bearer(token))
                except (Unauthenticated, Unavailable):
                    refused += 1
        return refused

    with ThreadPoolExecutor(8) as pool:
        flooding = [pool.submit(flood) for _ in range(8)]
        eventually(lambda: all(each.running() for each in flooding))
        took = []
        for _ in range(50):
            began = time.perf_counter()
            assert door.identify(good).user == "operators"
            took.append(time.perf_counter() - began)
        stop.set()
        issuer.gate.set()
        assert sum(each.result(120) for each in flooding) > 300
    assert sorted(took)[25] < 3


def test_at_most_a_few_wait_for_keys() -> None:
    assert Settings().http_threads > 2 * LINE
