"""Where artifacts come from: what a tenant may not reach, redirects, proxies, registries, files."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import socket
import time
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import orjson
import pytest
from steelyard_boot.domain.artifacts import Proxies
from steelyard_boot.drivers import Validator, Wanted
from steelyard_boot.drivers.download import Http, HttpRules
from steelyard_boot.drivers.files import Files
from steelyard_boot.drivers.http_words import authorization_header
from steelyard_boot.drivers.oci import Registry
from steelyard_common.addresses import is_beside
from steelyard_common.errors import DeviceUnreachable, Forbidden, InvalidRequest, NotFound, SteelyardError

from services.boot.tests.source_server import Source, serving

LOOPBACK = (ip_network("127.0.0.0/8"),)


@pytest.fixture
def source() -> Iterator[Source]:
    with serving() as made:
        yield made


@pytest.fixture
def other() -> Iterator[Source]:
    with serving() as made:
        yield made


def http(**rules: Any) -> Http:
    return Http(HttpRules(connect_s=60, stall_s=60, **rules))


def wanted(url: str, **more: Any) -> Wanted:
    return Wanted(url=url, until=time.monotonic() + 120, **more)


def read(source: Any, asked: Wanted, offset: int = 0, known: Validator | None = None) -> bytes:
    with source.open(asked, offset, known or Validator()) as opened:
        return b"".join(opened.data)


INSIDE = ["http://127.0.0.1/", "http://localhost/", "http://[::1]/", "http://0.0.0.0/", "http://169.254.169.254/latest",
          "http://[fd00:ec2::254]/", "http://10.1.2.3/", "http://192.168.0.1/", "http://172.16.0.1/", "http://100.64.0.1/",
          "http://[::ffff:127.0.0.1]/", "http://[64:ff9b::7f00:1]/", "http://[2002:7f00:1::]/", "http://2130706433/",
          "http://0x7f.1/", "http://127.1/", "http://[fe80::1]/", "http://224.0.0.1/", "http://0177.0.0.1/",
          "http://017700000001/", "http://0x7f000001/", "http://[::ffff:7f00:1]/", "http://[::ffff:a9fe:a9fe]/",
          "http://100.100.100.200/", "http://0/", "http://[::]/", "http://127.0.0.1./"]  # fmt: skip
BESIDE = ["http://127.0.0.1/", "http://localhost/", "http://[::1]/", "http://0.0.0.0/", "http://169.254.169.254/latest",
          "http://[fd00:ec2::254]/", "http://[::ffff:127.0.0.1]/", "http://2130706433/", "http://0177.0.0.1/",
          "http://[fe80::1]/", "http://100.100.100.200/", "http://[64:ff9b::7f00:1]/"]  # fmt: skip


@pytest.mark.parametrize("url", INSIDE)
def test_a_tenants_url_leads_to_no_internal_address(url: str) -> None:
    with pytest.raises(SteelyardError) as caught:
        read(http(), wanted(url, is_tenants=True))
    assert isinstance(caught.value, Forbidden) or "name is not known" in caught.value.message
    if isinstance(caught.value, Forbidden):
        assert "STEELYARD_ARTIFACTS_TENANT_NETWORKS" in caught.value.message


@pytest.mark.parametrize("url", BESIDE)
def test_an_owners_url_leads_neither_to_our_own_machine_nor_to_a_metadata_service(url: str) -> None:
    with pytest.raises(SteelyardError) as caught:
        read(http(), wanted(url, is_owners=True))
    assert isinstance(caught.value, Forbidden) or "name is not known" in caught.value.message


def test_an_owners_url_may_lead_into_the_site_and_its_redirects_are_judged(source: Source) -> None:
    inside = ("10.1.2.3", "192.168.0.1", "172.16.0.1", "fd12::1", "93.184.215.14")
    assert not any(is_beside(ip_address(each)) for each in inside)
    url = source.put("/i", location="http://169.254.169.254/latest/meta-data/")
    with pytest.raises(Forbidden, match="metadata service"):
        read(http(networks=LOOPBACK), wanted(url, is_owners=True, is_pinned=True))


def test_a_tenants_url_may_lead_where_the_operator_allows(source: Source) -> None:
    url = source.put("/i", b"image")
    assert read(http(networks=LOOPBACK), wanted(url, is_tenants=True)) == b"image"


def test_a_redirect_of_a_tenants_url_is_judged_like_the_url(source: Source) -> None:
    url = source.put("/i", location="http://169.254.169.254/latest/meta-data/")
    with pytest.raises(Forbidden, match=r"169\.254\.169\.254 is an address of an internal network"):
        read(http(networks=LOOPBACK), wanted(url, is_tenants=True, is_pinned=True))


def test_a_name_that_changes_its_address_is_called_where_it_was_judged(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = source.put("/i", b"secret").replace("127.0.0.1", "rebinding.example")
    answers = iter(["198.51.100.1", "127.0.0.1"])
    asked = []

    def resolve(host: str, port: int, **_: Any) -> list[Any]:
        asked.append(next(answers))
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (asked[-1], port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    with pytest.raises(DeviceUnreachable):
        read(Http(HttpRules(connect_s=0.2, networks=[ip_network("198.51.100.0/24")])), wanted(url, is_tenants=True))
    assert asked == ["198.51.100.1"]
    assert source.requests["/i"] == 0


def test_of_several_addresses_all_must_be_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, 80)) for each in ("93.184.215.14", "127.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(Forbidden):
        read(http(), wanted("http://mixed.example/i", is_tenants=True))


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("file:///etc/passwd", "no http"),
        ("ftp://h/x", "https://"),
        ("http://u:p@h/x", "user or password"),
        ("", "where to"),
        ("/loop", "more than 3 times"),
    ],
)
def test_a_redirect_that_leads_elsewhere_or_nowhere_is_refused(source: Source, location: str, reason: str) -> None:
    source.put("/loop", location="/loop")
    url = source.put("/i", location=location)
    with pytest.raises(InvalidRequest, match=reason):
        read(http(redirects=3), wanted(url))


def test_authorization_goes_to_the_host_it_is_for_and_to_no_other(source: Source, other: Source) -> None:
    there = other.put("/there", b"x")
    here = source.put("/again", location=there)
    url = source.put("/i", location=here)
    assert read(http(), wanted(url, authorization="user:word")) == b"x"
    told = f"Basic {base64.b64encode(b'user:word').decode()}"
    assert source.files["/i"].told[0]["Authorization"] == source.files["/again"].told[0]["Authorization"] == told
    assert "Authorization" not in other.files["/there"].told[0]


@pytest.mark.parametrize(
    ("given", "header"),
    [("Bearer abc", "Bearer abc"), ("user:word", "Basic dXNlcjp3b3Jk"), ("dXNlcjp3b3Jk", "Basic dXNlcjp3b3Jk"),
     ("token", "Bearer token"), ("basic dXNlcjp3b3Jk", "basic dXNlcjp3b3Jk")],
)  # fmt: skip
def test_authorization_is_taken_as_it_is_usually_written(given: str, header: str) -> None:
    assert authorization_header(given) == header


def test_a_secret_is_in_no_error_and_no_repr(source: Source) -> None:
    url = source.put("/i?x", b"", needs="never")
    asked = wanted(f"{source.url}/i?token=hidden1", authorization="user:hidden2")
    source.put("/i", b"", needs="never")
    with pytest.raises(Forbidden) as caught:
        read(http(), asked)
    assert url
    assert "hidden" not in f"{caught.value} {asked!r}".replace("token=hidden1", "")
    assert "hidden" not in str(caught.value)


def test_a_proxy_is_asked_for_what_it_may_be_asked(source: Source, other: Source) -> None:
    other.put("http://h.example/i", b"by proxy")
    proxies = Proxies(http=other.url, no="direct.example, .local")
    assert read(http(), wanted("http://h.example/i", proxies=proxies)) == b"by proxy"
    url = source.put("/i", b"direct")
    assert read(http(), wanted(url, proxies=Proxies(http=other.url, no="127.0.0.1"))) == b"direct"
    with pytest.raises(Forbidden):
        read(http(), wanted("http://93.184.215.14/i", proxies=proxies, is_tenants=True))
    with pytest.raises(InvalidRequest, match="a proxy is"):
        read(http(), wanted(url, proxies=Proxies(http="http://u:p@h:1")))


def test_what_is_unchanged_is_not_sent(source: Source) -> None:
    url = source.put("/k", b"kernel", etag='"1"')
    with http().open(wanted(url), 0, Validator(etag='"1"')) as opened:
        assert opened.is_unchanged


def test_who_says_unasked_that_nothing_changed_is_not_believed(source: Source) -> None:
    with pytest.raises(DeviceUnreachable, match="304"):
        read(http(), wanted(source.put("/k", statuses=[304])))


def test_a_head_that_comes_byte_by_byte_is_not_waited_for(source: Source) -> None:
    def answer(handler: Any) -> None:
        with contextlib.suppress(OSError):
            for _ in range(600):
                handler.wfile.write(b"H")
                handler.wfile.flush()
                time.sleep(0.05)

    begun = time.monotonic()
    with pytest.raises(DeviceUnreachable):
        read(Http(HttpRules(connect_s=0.3, stall_s=0.3)), wanted(source.put("/k", answer=answer)))
    assert time.monotonic() - begun < 15


def test_what_is_whole_already_is_taken_as_it_is(source: Source) -> None:
    def answer(handler: Any) -> None:
        handler.send_response(416)
        handler.send_header("Content-Range", "bytes */5")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    url = source.put("/k", answer=answer)
    with http().open(wanted(url), 5, Validator()) as opened:
        assert (opened.offset, opened.total, list(opened.data)) == (5, 5, [])


def test_what_is_sent_packed_is_refused(source: Source) -> None:
    def answer(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Encoding", "gzip")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    with pytest.raises(InvalidRequest, match="packed"):
        read(http(), wanted(source.put("/k", answer=answer)))


def test_files_are_taken_from_allowed_directories_alone(tmp_path: Path) -> None:
    allowed, secret = tmp_path / "images", tmp_path / "secret"
    allowed.mkdir()
    secret.write_bytes(b"secret")
    (allowed / "a b.img").write_bytes(b"image")
    (allowed / "link").symlink_to(secret)
    (allowed / "folder").mkdir()
    files = Files([allowed])

    assert read(files, wanted(f"file://{allowed}/a%20b.img")) == b"image"
    assert read(files, wanted(f"file://localhost{allowed}/a%20b.img")) == b"image"
    for path, kind in [(secret, Forbidden), (allowed / "link", Forbidden), (f"{allowed}/../secret", Forbidden),
                       (f"{allowed}/%2e%2e/secret", Forbidden), (allowed / "no", NotFound), ("/no/such", Forbidden),
                       (allowed / "folder", InvalidRequest), ("/dev/zero", Forbidden),
                       (f"{allowed}/x%00", InvalidRequest), (f"{tmp_path}/images2/x", Forbidden)]:  # fmt: skip
        with pytest.raises(kind):
            read(files, wanted(f"file://{path}"))
    with pytest.raises(Forbidden, match="STEELYARD_ARTIFACTS_FILES"):
        read(Files([]), wanted(f"file://{secret}"))


def test_a_file_is_read_on_while_it_is_the_same(tmp_path: Path) -> None:
    path = tmp_path / "i"
    path.write_bytes(b"image")
    files, asked = Files([tmp_path]), wanted(f"file://{path}")
    with files.open(asked, 0, Validator()) as opened:
        known = opened.validator
    assert read(files, asked, 2, known) == b"age"
    with files.open(asked, 0, known) as opened:
        assert opened.is_unchanged
    path.write_bytes(b"another")
    assert read(files, asked, 2, known) == b"another"


# ---- registries

BLOB = b"a disk" * 1000
DIGEST = f"sha256:{hashlib.sha256(BLOB).hexdigest()}"
LAYER = {"digest": DIGEST, "size": len(BLOB), "mediaType": "application/vnd.oci.image.layer.v1"}
MANIFEST = orjson.dumps(
    {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "layers": [LAYER]}
)


def registry(source: Source, manifest: bytes = MANIFEST, needs: str | None = None) -> Registry:
    challenge = f'Bearer realm="{source.url}/token",service="here",scope="repository:a/b:pull"'
    how: dict[str, Any] = {"needs": needs, "challenge": challenge}
    source.put("/v2/a/b/manifests/1", manifest, **how)
    source.put(f"/v2/a/b/manifests/sha256:{hashlib.sha256(manifest).hexdigest()}", manifest, **how)
    source.put(f"/v2/a/b/blobs/{DIGEST}", BLOB, **how)
    source.put("/token", b'{"token": "t0"}')
    return Registry(http(), [source.host])


def test_an_image_comes_from_a_registry_by_tag_and_by_digest(source: Source) -> None:
    made = registry(source)
    for reference in (":1", f"@sha256:{hashlib.sha256(MANIFEST).hexdigest()}"):
        with made.open(wanted(f"oci://{source.host}/a/b{reference}"), 0, Validator()) as opened:
            assert b"".join(opened.data) == BLOB
            assert (opened.total, opened.sha256) == (len(BLOB), DIGEST.removeprefix("sha256:"))


def test_a_token_is_fetched_for_the_anonymous_and_with_a_pull_secret(source: Source) -> None:
    made = registry(source, needs="Bearer t0")
    assert read(made, wanted(f"oci://{source.host}/a/b:1")) == BLOB
    assert "Authorization" not in source.files["/token"].told[0]
    assert read(made, wanted(f"oci://{source.host}/a/b:1", authorization="dXNlcjp3b3Jk")) == BLOB
    assert source.files["/token"].told[1]["Authorization"] == "Basic dXNlcjp3b3Jk"


def test_a_tag_that_has_not_moved_is_not_fetched_again(source: Source) -> None:
    with registry(source).open(wanted(f"oci://{source.host}/a/b:1"), 0, Validator(etag=DIGEST)) as opened:
        assert opened.is_unchanged
    assert source.requests[f"/v2/a/b/blobs/{DIGEST}"] == 0


def test_an_image_is_read_on_where_it_ended(source: Source) -> None:
    made = registry(source)
    assert read(made, wanted(f"oci://{source.host}/a/b:1"), 100, Validator(etag=DIGEST)) == BLOB[100:]
    assert read(made, wanted(f"oci://{source.host}/a/b:1"), 100, Validator(etag="sha256:other")) == BLOB


def test_an_index_with_one_manifest_leads_to_it_and_one_with_several_is_refused(source: Source) -> None:
    made = registry(source)
    entry = {"digest": f"sha256:{hashlib.sha256(MANIFEST).hexdigest()}"}
    media = "application/vnd.oci.image.index.v1+json"
    source.put("/v2/a/b/manifests/all", orjson.dumps({"mediaType": media, "manifests": [entry]}))
    source.put("/v2/a/b/manifests/many", orjson.dumps({"mediaType": media, "manifests": [entry, entry]}))
    assert read(made, wanted(f"oci://{source.host}/a/b:all")) == BLOB
    with pytest.raises(InvalidRequest, match="index of 2 manifests"):
        read(made, wanted(f"oci://{source.host}/a/b:many"))


def test_a_manifest_that_is_not_what_its_digest_says_is_refused(source: Source) -> None:
    made = registry(source)
    digest = "sha256:" + "0" * 64
    source.put(f"/v2/a/b/manifests/{digest}", MANIFEST)
    with pytest.raises(InvalidRequest, match="that is not"):
        read(made, wanted(f"oci://{source.host}/a/b@{digest}"))


@pytest.mark.parametrize(
    ("manifest", "reason"), [(b"<html>", "as a registry"), (b"[]", "as a registry"), (b"x" * (5 << 20), "more than")]
)
def test_what_is_no_registry_is_told(source: Source, manifest: bytes, reason: str) -> None:
    with pytest.raises(InvalidRequest, match=reason):
        read(registry(source, manifest), wanted(f"oci://{source.host}/a/b:1"))


def test_a_realm_inside_is_not_asked_for_a_tenant(source: Source) -> None:
    made = Registry(http(networks=LOOPBACK), [source.host])
    source.put("/v2/a/b/manifests/1", b"", needs="x", challenge='Bearer realm="http://169.254.169.254/token"')
    with pytest.raises(Forbidden, match="internal"):
        read(made, wanted(f"oci://{source.host}/a/b:1", is_tenants=True))


def test_a_registry_that_refuses_is_told(source: Source) -> None:
    with pytest.raises(NotFound):
        read(registry(source), wanted(f"oci://{source.host}/a/b:2"))
    with pytest.raises(Forbidden, match="401"):
        read(registry(source, needs="Bearer other"), wanted(f"oci://{source.host}/a/b:1"))
