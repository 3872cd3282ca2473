"""Sign-in with OpenID Connect: which tokens let whom in, and which are refused."""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from joserfc.jwk import RSAKey
from steelyard_api_gateway.service.call import Caller
from steelyard_api_gateway.service.identity import Credentials, SignIn
from steelyard_api_gateway.settings_sign_in import SIGNATURES
from steelyard_common.errors import Unauthenticated

from tests.contract.oidc_door import bearer, make
from tests.contract.oidc_issuer import AUDIENCE, Issuer


def test_a_token_of_the_issuer_lets_its_bearer_into_their_project(issuer: Issuer, door: SignIn) -> None:
    caller = door.identify(bearer(issuer.token()))

    assert caller == Caller(user="operators", roles=("member", "reader"), project="p1", system=False)


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")  # in favour of a name that few issuers use yet
@pytest.mark.parametrize("algorithm", SIGNATURES)
def test_every_signature_of_the_list_is_checked(issuer: Issuer, door: SignIn, algorithm: str) -> None:
    issuer.rotate(keep=False, algorithm=algorithm)

    good = issuer.signed()
    head, body, signature = good.split(".")
    middle = len(signature) // 2
    bad = ".".join(
        [head, body, signature[:middle] + ("A" if signature[middle] != "A" else "B") + signature[middle + 1 :]]
    )

    assert door.identify(bearer(good)).user == "ann"
    with pytest.raises(Unauthenticated):
        door.identify(bearer(bad))


def test_the_list_of_signatures_can_be_made_shorter(issuer: Issuer) -> None:
    door = make(issuer, STEELYARD_OIDC_ALGORITHMS="ES256")

    with pytest.raises(Unauthenticated):
        door.identify(bearer(issuer.signed()))
    issuer.rotate(algorithm="ES256")
    assert make(issuer, STEELYARD_OIDC_ALGORITHMS="ES256").identify(bearer(issuer.signed())).user == "ann"


def test_openstack_clients_may_bring_it_as_a_token(issuer: Issuer, door: SignIn) -> None:
    assert door.identify(Credentials(token=issuer.token())).user == "operators"


@pytest.mark.parametrize(
    "credentials",
    [
        Credentials(), Credentials(authorization=""), Credentials(authorization="Bearer"), Credentials(token=""),
        Credentials(authorization="Bearer  "), Credentials(authorization="Basic YTpi"), Credentials(service_token="x"),
        Credentials(authorization="Bearer é"), Credentials(authorization="Bearer a.b"), Credentials(token="a.b.c"),
        Credentials(authorization="Bearer " + "A" * 8193), Credentials(authorization="Bearer " + "." * 8000),
        Credentials(authorization="Bearer " + "A" * 2_000_000), Credentials(authorization="Bearer a.b.c.d.e"),
    ],
)  # fmt: skip
def test_what_is_no_token_is_refused(door: SignIn, credentials: Credentials) -> None:
    with pytest.raises(Unauthenticated):
        door.identify(credentials)


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def forged(issuer: Issuer, algorithm: str, key: bytes | None) -> str:
    claims = {"iss": issuer.url, "aud": AUDIENCE, "sub": "eve", "exp": time.time() + 600, "roles": ["admin", "system"]}
    text = f"{part({'alg': algorithm, 'typ': 'JWT', 'kid': issuer.keys[-1].kid})}.{part(claims)}"
    mark = b"" if key is None else hmac.digest(key, text.encode(), "sha256")
    return f"{text}.{base64.urlsafe_b64encode(mark).rstrip(b'=').decode()}"


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", "", "RS256 ", "HS999"])
def test_a_token_without_a_signature_is_refused(issuer: Issuer, door: SignIn, algorithm: str) -> None:
    door.identify(bearer(issuer.token()))

    with pytest.raises(Unauthenticated):
        door.identify(bearer(forged(issuer, algorithm, None)))


@pytest.mark.parametrize("form", ["pem", "der", "modulus", "jwk", "empty"])
def test_the_public_key_is_no_shared_secret(issuer: Issuer, door: SignIn, form: str) -> None:
    public = issuer.keys[-1]
    forms: dict[str, bytes] = {
        "pem": public.as_pem(private=False),
        "der": public.as_der(private=False),
        "modulus": str(public.as_dict(private=False)["n"]).encode(),
        "jwk": json.dumps(public.as_dict(private=False)).encode(),
        "empty": b"",
    }

    for algorithm in ("HS256", "RS256"):
        with pytest.raises(Unauthenticated):
            door.identify(bearer(forged(issuer, algorithm, forms[form])))


Bad = Callable[[Issuer], str]
BAD: dict[str, tuple[Bad, str]] = {
    "ended": (lambda it: it.signed(exp=time.time() - 60), "expired"),
    "not yet": (lambda it: it.signed(nbf=time.time() + 60), "not valid yet"),
    "issued tomorrow": (lambda it: it.signed(iat=time.time() + 86400), "not valid yet"),
    "another audience": (lambda it: it.signed(aud=["a", "b"]), "another audience"),
    "part of the audience": (lambda it: it.signed(aud="steel"), "another audience"),
    "audience is an object": (lambda it: it.signed(aud={"steelyard": 1}), ""),
    "another issuer": (lambda it: it.signed(iss="https://evil.example"), "another issuer"),
    "issuer with a slash": (lambda it: it.signed(iss=it.url + "/"), "another issuer"),
    "issuer is a list": (lambda it: it.signed(iss=[it.url]), ""),
    "no end": (lambda it: it.signed(exp=None), "lacks"),
    "end is a text": (lambda it: it.signed(exp="tomorrow"), ""),
    "end is endless": (lambda it: it.signed(exp=10**400), ""),
    "no audience": (lambda it: it.signed(aud=None), "lacks"),
    "no issuer": (lambda it: it.signed(iss=None), "lacks"),
    "no user": (lambda it: it.signed(sub=None), "names no user"),
    "user is a number": (lambda it: it.signed(sub=7), ""),
    "a logout token": (lambda it: it.signed({"typ": "logout+jwt"}), ""),
    "must understand": (lambda it: must_understand(it), ""),
    "kid is a path": (lambda it: it.signed({"kid": "../../../../dev/null"}), ""),
    "kid is a query": (lambda it: it.signed({"kid": "' OR 1=1 --"}), ""),
    "kid is long": (lambda it: it.signed({"kid": "k" * 3000}), ""),
    "key in the header": (lambda it: own_key(it, "jwk"), ""),
    "key by the header": (lambda it: own_key(it, "jku"), ""),
    "key of another": (lambda it: own_key(it, "kid"), ""),
}


def must_understand(issuer: Issuer) -> str:
    """Signed by another library: the issuer's refuses to make such a one."""
    claims = {"iss": issuer.url, "aud": AUDIENCE, "sub": "ann", "exp": time.time() + 600}
    head = {"kid": issuer.keys[-1].kid, "crit": ["urn:x"], "urn:x": 1}
    return jwt.encode(claims, issuer.keys[-1].as_pem(private=True), "RS256", headers=head)


def own_key(issuer: Issuer, how: str) -> str:
    mine = RSAKey.generate_key(2048, {"kid": "mine"})
    told: dict[str, Any] = {
        "jwk": {"kid": "mine", "jwk": mine.as_dict(private=False)},
        "jku": {"kid": "mine", "jku": f"{issuer.url}/elsewhere"},
        "kid": {"kid": issuer.keys[-1].kid},
    }
    token: str = issuer.signed(told[how], key=mine)
    return token


@pytest.mark.parametrize("what", BAD)
def test_a_token_that_is_not_right_in_every_way_is_refused_with_the_reason(
    issuer: Issuer, door: SignIn, what: str
) -> None:
    make_bad, reason = BAD[what]
    token = make_bad(issuer)

    for _ in range(2):  # the second time from memory
        with pytest.raises(Unauthenticated) as refused:
            door.identify(bearer(token))
        assert reason in refused.value.message
        assert token not in refused.value.message


def test_clocks_may_differ_by_the_leeway(issuer: Issuer) -> None:
    door = make(issuer, STEELYARD_OIDC_LEEWAY_S="30")

    assert door.identify(bearer(issuer.signed(exp=time.time() - 10))).user == "ann"
    assert door.identify(bearer(issuer.signed(nbf=time.time() + 10, sub="bob"))).user == "bob"


def test_settings_say_which_claims_count(issuer: Issuer) -> None:
    door = make(
        issuer, STEELYARD_OIDC_ROLES_CLAIM="realm_access.roles", STEELYARD_OIDC_PROJECT_CLAIM="https://x.example/tenant",
        STEELYARD_OIDC_USER_CLAIM="preferred_username", STEELYARD_OIDC_ROLES="dc-ops=admin, helpdesk=reader",
        STEELYARD_OIDC_SYSTEM_ROLE="dc-ops",
    )  # fmt: skip
    claims: dict[str, Any] = {
        "preferred_username": "bob", "realm_access": {"roles": ["helpdesk", "admin"]}, "https://x.example/tenant": "t7",
        "roles": ["admin"], "project": "p1",
    }  # fmt: skip
    tenant = issuer.signed(**claims)
    operator = issuer.signed(preferred_username="ann", realm_access={"roles": ["dc-ops"]}, project="p1")

    assert door.identify(bearer(tenant)) == Caller(user="bob", roles=("reader",), project="t7", system=False)
    admin = Caller(user="ann", roles=("admin", "manager", "member", "reader"), system=True)
    assert door.identify(bearer(operator)) == admin


def test_a_token_let_in_before_costs_a_tenth_of_a_millisecond_at_most(issuer: Issuer, door: SignIn) -> None:
    credentials = bearer(issuer.token())
    door.identify(credentials)

    began = time.thread_time()
    for _ in range(2000):
        door.identify(credentials)

    assert (time.thread_time() - began) / 2000 < 0.0001
