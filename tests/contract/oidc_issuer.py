"""A token issuer on loopback: Authlib's authorization server (RFC 6749, 9068), with keys that can be exchanged."""

from __future__ import annotations

import os
import threading
import time
from types import TracebackType
from typing import Any

import requests
from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientMixin, grants
from authlib.oauth2.rfc9068 import JWTBearerTokenGenerator
from flask import Flask, Response, jsonify, redirect
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey
from werkzeug.serving import make_server

AUDIENCE = "steelyard"
Key = RSAKey | ECKey | OKPKey


class _Client(ClientMixin):  # type: ignore[misc]
    """The one client, which gets tokens for itself."""

    client_id = "operators"

    def check_client_secret(self, client_secret: str) -> bool:
        return client_secret == "secret"

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return (method, endpoint) == ("client_secret_basic", "token")

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "client_credentials"

    def get_allowed_scope(self, scope: str | None) -> str:
        return scope or ""

    def get_client_id(self) -> str:
        return self.client_id


class _Tokens(JWTBearerTokenGenerator):  # type: ignore[misc]
    def __init__(self, owner: Issuer) -> None:
        super().__init__(issuer=owner.url, alg=owner.algorithm)
        self._owner = owner

    def get_jwks(self) -> KeySet:
        return KeySet([self._owner.keys[-1]])

    def get_audiences(self, client: Any, user: Any, scope: Any) -> list[str]:
        return [AUDIENCE, "another"]

    def get_extra_claims(self, client: Any, grant_type: str, user: Any, scope: Any) -> dict[str, Any]:
        return self._owner.claims


class Issuer:
    """``keys``: the last one signs, all are published. ``asked``: how often the key set was fetched."""

    def __init__(self) -> None:
        self.keys: list[Key] = []
        self.claims: dict[str, Any] = {"roles": ["member"], "project": "p1"}
        self.discovery: dict[str, Any] = {}
        self.algorithm = "RS256"
        self.mode = "well"  # or: away, moved, large, text
        self.asked = 0
        # The library refuses plain http even on loopback, unless it is told so.
        os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"
        self.gate = threading.Event()
        self.gate.set()
        self._app = self._make_app()
        self._server = make_server("127.0.0.1", 0, self._app, threaded=True)
        self.url = f"http://127.0.0.1:{self._server.port}"
        self.rotate()
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    def __enter__(self) -> Issuer:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.gate.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def rotate(self, *, keep: bool = True, algorithm: str = "RS256") -> None:
        """A new key signs from now on; without ``keep`` the former ones are withdrawn."""
        options: Any = {"alg": algorithm, "use": "sig", "kid": f"key-{len(self.keys) + 1}-{os.urandom(3).hex()}"}
        self.algorithm = algorithm
        if algorithm.startswith("ES"):
            new: Key = ECKey.generate_key({"256": "P-256", "384": "P-384", "512": "P-521"}[algorithm[2:]], options)
        elif algorithm == "EdDSA":
            new = OKPKey.generate_key("Ed25519", options)
        else:
            new = RSAKey.generate_key(2048, options)
        self.keys = [*(self.keys if keep else []), new]

    def token(self, **claims: Any) -> str:
        """From the token endpoint, as a client gets one."""
        self.claims = {**self.claims, **claims}
        answer = requests.post(
            f"{self.url}/token", {"grant_type": "client_credentials"}, auth=("operators", "secret"), timeout=30
        )
        answer.raise_for_status()
        token: str = answer.json()["access_token"]
        return token

    def signed(self, header: dict[str, Any] | None = None, key: Any = None, **claims: Any) -> str:
        """By hand: what the endpoint would never issue. None leaves a claim or a header out."""
        now = int(time.time())
        usual = {"iss": self.url, "aud": AUDIENCE, "sub": "ann", "iat": now, "exp": now + 600, **self.claims}
        signer = key or self.keys[-1]
        head = {"alg": self.algorithm, "typ": "at+jwt", "kid": self.keys[-1].kid, **(header or {})}
        head = {name: value for name, value in head.items() if value is not None}
        body = {name: value for name, value in {**usual, **claims}.items() if value is not None}
        return jwt.encode(head, body, signer, algorithms=[head["alg"]])

    def _make_app(self) -> Flask:
        app = Flask("issuer")
        server = AuthorizationServer(app, query_client=lambda name: _Client(), save_token=lambda token, request: None)
        server.register_grant(grants.ClientCredentialsGrant)

        @app.post("/token")
        def token() -> Any:
            server.register_token_generator("default", _Tokens(self))
            return server.create_token_response()

        @app.get("/.well-known/openid-configuration")
        def discovery() -> Any:
            if self.mode == "away":
                return Response(status=503)
            return jsonify({"issuer": self.url, "jwks_uri": f"{self.url}/jwks", **self.discovery})

        @app.get("/jwks")
        def jwks() -> Any:
            self.asked += 1
            self.gate.wait(120)
            if self.mode == "moved":
                return redirect(f"{self.url}/elsewhere")
            if self.mode == "large":
                return jsonify({"keys": [], "filler": "x" * 1_000_000})
            if self.mode == "text":
                return Response("no JSON")
            return jsonify({"keys": [key.as_dict(private=False) for key in self.keys]})

        @app.get("/elsewhere")
        def elsewhere() -> Any:
            return jsonify({"keys": [key.as_dict(private=False) for key in self.keys]})

        return app
