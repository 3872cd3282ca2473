"""Fetches from OCI registries: manifest by tag or digest, one layer, tokens for the anonymous and for pull secrets."""

from __future__ import annotations

import hashlib
import http.client
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import orjson
from steelyard_common.errors import DeviceUnreachable, InvalidRequest

from ..domain import oci
from ..domain.oci import OciName
from . import Opened, Validator, Wanted
from .download import Http
from .http_words import authorization_header, check_status

MOST_BYTES = 4 * 1024 * 1024  # of a manifest, as the distribution specification has it
_ACCEPT = ", ".join((*oci.MANIFESTS, *oci.INDEXES))


class Registry:
    """A ``Source`` of oci:// URLs. ``plain``: registries, host[:port], that are spoken to without TLS."""

    def __init__(self, http: Http, plain: Collection[str] = ()) -> None:
        self._http = http
        self._plain = plain

    @contextmanager
    def open(self, wanted: Wanted, offset: int, known: Validator) -> Iterator[Opened]:
        name = oci.parse(wanted.url)
        root = f"{'http' if name.registry in self._plain else 'https'}://{name.registry}/v2/{name.repository}"
        session = _Session(self._http, wanted, name)
        manifest = session.manifest(root, name.reference)
        layer = oci.only_layer(manifest, name)
        here = Validator(etag=layer.digest)
        if offset == 0 and known == here:
            yield Opened(offset=0, total=None, validator=here, data=iter(()), is_unchanged=True)
            return
        blob = session.asking(f"{root}/blobs/{layer.digest}")
        # A blob is what its digest says: it can be read on without asking whether it changed.
        with self._http.open(replace(blob, is_pinned=True), offset if known == here else 0, Validator()) as opened:
            yield replace(
                opened, validator=here, total=layer.size if opened.total is None else opened.total,
                sha256=layer.digest.removeprefix("sha256:"),
            )  # fmt: skip


class _Session:
    """One visit, with the token it got."""

    def __init__(self, http: Http, wanted: Wanted, name: OciName) -> None:
        self._http, self._wanted, self._name = http, wanted, name
        self._token: str | None = None

    def asking(self, url: str) -> Wanted:
        secret = self._wanted.authorization
        return replace(
            self._wanted, url=url, authorization=self._token or (authorization_header(secret) if secret else None)
        )

    def manifest(self, root: str, reference: str) -> Mapping[str, Any]:
        """Of an artifact; through an index, if that lists one only. Errors: of a ``Source``."""
        document = self._document(root, reference)
        media = document.get("mediaType")
        if media in oci.INDEXES or "manifests" in document:
            document = self._document(root, oci.only_manifest(document, self._name))
        return document

    def _document(self, root: str, reference: str) -> Mapping[str, Any]:
        url = f"{root}/manifests/{reference}"
        body = self._get(url)
        if reference.startswith("sha256:") and f"sha256:{hashlib.sha256(body).hexdigest()}" != reference:
            raise InvalidRequest(f"{self._name.registry} gave a manifest that is not {reference}")
        return _json(body, self._name)

    def _get(self, url: str) -> bytes:
        challenge = None
        wanted = self.asking(url)
        with self._http.request(wanted, _headers(wanted)) as response:
            if response.status == 401 and self._token is None:
                challenge = oci.challenge(response.headers.get("WWW-Authenticate", ""))
            if challenge is None:
                check_status(response, url)
                return _body(response, self._name)
        self._token = self._fetch_token(challenge)
        wanted = self.asking(url)
        with self._http.request(wanted, _headers(wanted)) as response:
            check_status(response, url)
            return _body(response, self._name)

    def _fetch_token(self, challenge: Mapping[str, str]) -> str:
        """→ the header's value"""
        scope = challenge.get("scope") or f"repository:{self._name.repository}:pull"
        query = urlencode({"service": challenge.get("service", ""), "scope": scope})
        realm = challenge["realm"]
        wanted = self.asking(f"{realm}{'&' if '?' in realm else '?'}{query}")
        with self._http.request(wanted, _headers(wanted)) as response:
            check_status(response, realm)
            told = _json(_body(response, self._name), self._name)
        token = told.get("token") or told.get("access_token")
        if not isinstance(token, str):
            raise InvalidRequest(f"{self._name.registry} gave no token")
        return f"Bearer {token}"


def _headers(wanted: Wanted) -> dict[str, str]:
    headers = {"Accept": _ACCEPT, "Accept-Encoding": "identity", "User-Agent": "steelyard-boot", "Connection": "close"}
    return headers | ({"Authorization": wanted.authorization} if wanted.authorization else {})


def _body(response: http.client.HTTPResponse, name: OciName) -> bytes:
    try:
        body = response.read(MOST_BYTES + 1)
    except (OSError, http.client.HTTPException) as error:
        raise DeviceUnreachable(f"{name.registry} did not finish its answer") from error
    if len(body) > MOST_BYTES:
        raise InvalidRequest(f"{name.registry} gave a manifest of more than {MOST_BYTES} bytes")
    return body


def _json(body: bytes, name: OciName) -> Mapping[str, Any]:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        document = None
    if not isinstance(document, dict):
        raise InvalidRequest(f"{name.registry} did not answer as a registry does")
    return document
