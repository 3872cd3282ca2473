"""Sign-in by tokens, put together from the settings. Libraries are loaded by who needs them: each takes 20 MB."""

from __future__ import annotations

from .domain.claims import Mapped
from .service.identity import SignIn
from .settings import Settings


def keystone(settings: Settings) -> SignIn:
    from .drivers.keystone_api import KeystoneApi
    from .service.keystone import KeystoneSignIn

    api = KeystoneApi(
        settings.keystone_url,
        username=settings.keystone_username,
        password=settings.keystone_password,
        project=settings.keystone_project,
        domain=settings.keystone_domain,
        ca_file=settings.auth_ca_file,
        timeout_s=settings.auth_timeout_s,
    )
    return KeystoneSignIn(
        api,
        uri=settings.keystone_public_url or settings.keystone_url.removesuffix("/v3"),
        remember_s=settings.auth_cache_s,
        line=max(1, settings.http_threads // 2),  # the other half stays for who is known
        service_roles=settings.keystone_service_roles,
    )


def oidc(settings: Settings) -> SignIn:
    from .drivers.oidc_issuer import IssuerApi
    from .service.oidc import OidcSignIn

    where = Mapped(
        user=settings.oidc_user_claim,
        roles=settings.oidc_roles_claim,
        project=settings.oidc_project_claim,
        system=settings.oidc_system_role,
        names=settings.oidc_roles,
    )
    return OidcSignIn(
        IssuerApi(settings.oidc_issuer, ca_file=settings.auth_ca_file, timeout_s=settings.auth_timeout_s),
        issuer=settings.oidc_issuer,
        audience=settings.oidc_audience,
        mapped=where,
        algorithms=settings.oidc_algorithms,
        leeway_s=settings.oidc_leeway_s,
        remember_s=settings.auth_cache_s,
        keys_fresh_s=settings.oidc_keys_s,
    )
