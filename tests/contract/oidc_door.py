"""The gateway's sign-in by OpenID Connect, for the issuer next door."""

from __future__ import annotations

from steelyard_api_gateway.main import make_sign_in
from steelyard_api_gateway.service.identity import Credentials, SignIn
from steelyard_api_gateway.settings import Settings
from steelyard_common.settings import read

from tests.contract.oidc_issuer import AUDIENCE, Issuer


def make(issuer: Issuer, **more: str) -> SignIn:
    """As the gateway makes it from its environment."""
    environment = {
        "STEELYARD_AUTH": "oidc",
        "STEELYARD_OIDC_ISSUER": issuer.url,
        "STEELYARD_OIDC_AUDIENCE": AUDIENCE,
        "STEELYARD_OIDC_SYSTEM_ROLE": "system",
        **more,
    }
    return make_sign_in(read(Settings, environment))


def bearer(token: str) -> Credentials:
    return Credentials(authorization=f"Bearer {token}")
