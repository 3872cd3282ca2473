"""Checksums, wishes, ranges: as they are written, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from steelyard_boot.domain import artifacts as rules
from steelyard_boot.domain import checksums, oci, ranges
from steelyard_boot.domain.artifacts import Wish
from steelyard_common.errors import InvalidRequest

A256, B256, A512, MD5 = "a" * 64, "b" * 64, "c" * 128, "d" * 32


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"sha256:{A256}", f"sha256:{A256}"),
        (f"SHA256:{A256.upper()}", f"sha256:{A256}"),
        (f"sha-512:{A512}", f"sha512:{A512}"),
        (A256, f"sha256:{A256}"),
        (A512, f"sha512:{A512}"),
    ],
)
def test_a_checksum_is_known_by_its_name_or_its_length(text: str, shown: str) -> None:
    assert str(checksums.parse(text)) == shown


@pytest.mark.parametrize(
    "text", ["", "sha256:", f"sha256:{A512}", f"sha1:{'a' * 40}", "g" * 64, f"sha256:{A256} "[:-2]]
)
def test_what_is_no_checksum_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="sha256:<64 hex digits>"):
        checksums.parse(text)


def test_md5_is_taken_only_where_that_is_allowed() -> None:
    with pytest.raises(InvalidRequest, match="STEELYARD_ALLOW_MD5"):
        checksums.parse(MD5)
    assert checksums.parse(f"md5:{MD5}", allow_md5=True).algorithm == "md5"


@pytest.mark.parametrize(
    "text",
    [
        f"{A256}\n",
        f"{A256}  node.img\n",
        f"{A256} *node.img\n",
        f"{A256}  ./images/node.img\n{B256}  other.img\n",
        f"SHA256 (node.img) = {A256}\nSHA256 (other.img) = {B256}\n",
        f"MD5 (node.img) = {MD5}\nSHA256 (node.img) = {A256}\n",
        f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n# node.img: 5 bytes\n{A256}  node.img\r\n",
        f"sha256:{A256}",
    ],
)
def test_a_checksum_file_is_read_in_its_usual_forms(text: str) -> None:
    assert str(checksums.find(text, {"node.img"})) == f"sha256:{A256}"


def test_of_several_algorithms_the_strongest_is_taken() -> None:
    assert checksums.find(f"{A256}  a\n{A512}  a\n", {"a"}).algorithm == "sha512"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"{A256}  other.img\n", "lists other.img"),
        ("<html>not found</html>", "holds no sum"),
        (f"{A256}  node.img\n{B256}  node.img\n", "they differ"),
        (f"{A256}\n{B256}\n", "they differ"),
        (f"{MD5}  node.img\n", "md5"),
    ],
)
def test_a_checksum_file_that_does_not_say_it_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(InvalidRequest, match=reason):
        checksums.find(text, {"node.img"})


@pytest.mark.parametrize(
    ("wish", "reason"),
    [
        (Wish(url="http://h/i", kind="image"), "needs a checksum"),
        (Wish(url="http://h/i", kind="image", project="p"), "needs a checksum"),
        (Wish(url="ftp://h/i", kind="image"), "https://"),
        (Wish(url="http:///i", kind="kernel"), "no host"),
        (Wish(url="http://u:hidden@h/k", kind="kernel"), "user or password"),
        (Wish(url="http://h/a b", kind="kernel"), "blanks"),
        (Wish(url="http://h:99999/k", kind="kernel"), "malformed"),
        (Wish(url="file://h/k", kind="kernel"), "three slashes"),
        (Wish(url="file:///k", kind="image", project="p", checksum=A256), "file://"),
        (Wish(url="http://h/k", kind="toaster"), "toaster"),
        (Wish(url="http://h/k", kind="kernel", convert_to_raw=True), "only an image"),
        (Wish(url="http://h/k", kind="image", checksum="oci://h/sums"), "checksum file"),
    ],
)
def test_a_wish_that_cannot_be_fulfilled_is_refused_at_once(wish: Wish, reason: str) -> None:
    with pytest.raises(InvalidRequest, match=reason) as caught:
        rules.check(wish, allow_md5=False)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize(
    "wish",
    [
        Wish(url="https://h/k", kind="kernel"),
        Wish(url="https://h/k", kind="kernel", project="p"),
        Wish(url="file:///srv/i.img", kind="image"),
        Wish(url="oci://h/i:1", kind="image", project="p"),
        Wish(url="http://h/i", kind="image", project="p", checksum="https://h/SHA256SUMS"),
    ],
)
def test_what_can_be_fulfilled_is_taken(wish: Wish) -> None:
    rules.check(wish, allow_md5=False)


def test_what_may_be_secret_in_a_url_is_not_shown() -> None:
    assert rules.shown("https://user:word@h:8/p/i.img?token=t#f") == "https://h:8/p/i.img"


@given(st.text(max_size=300))
def test_a_name_of_any_text_stands_in_a_url_and_leads_nowhere_else(text: str) -> None:
    name = rules.safe_name(text)
    assert 0 < len(name) <= 100
    assert name.isascii()
    assert "/" not in name
    assert not name.startswith(".")


def test_keys_are_checksums_or_random_names_and_nothing_else() -> None:
    assert rules.is_key(A256)
    assert rules.is_key(rules.random_key())
    assert not any(map(rules.is_key, ["", "..", "../../etc/passwd", A256.upper() + "x", A256[:-1], f"{A256}\n", "a/b"]))


@pytest.mark.parametrize(
    ("header", "parts"),
    [
        ("bytes=0-0", [(0, 1)]),
        ("bytes=0-", [(0, 100)]),
        ("bytes=90-200", [(90, 10)]),
        ("bytes=-10", [(90, 10)]),
        ("bytes=-200", [(0, 100)]),
        ("bytes=0-1, 5-6", [(0, 2), (5, 2)]),
        ("bytes=0-1,200-300", [(0, 2)]),
        ("lines=0-1", None),
        ("bytes", None),
        ("bytes=5-1", None),
        ("bytes=-", None),
        ("bytes=a-b", None),
    ],
)
def test_a_range_is_read_as_the_rfc_says(header: str, parts: list[tuple[int, int]] | None) -> None:
    assert ranges.parse(header, 100) == parts


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=200-300", "bytes=-0", "bytes=0-9,5-15", "bytes=" + ",".join(
    f"{n}-{n}" for n in range(17))])  # fmt: skip
def test_a_range_of_nothing_or_of_harm_is_refused(header: str) -> None:
    with pytest.raises(ranges.Unsatisfiable):
        ranges.parse(header, 100)


@given(st.text(max_size=60), st.integers(0, 1000))
def test_parts_lie_within_the_file_whatever_is_asked(text: str, size: int) -> None:
    try:
        parts = ranges.parse(f"bytes={text}", size)
    except ranges.Unsatisfiable:
        return
    assert all(begin >= 0 and length > 0 and begin + length <= size for begin, length in parts or [])


def test_an_image_of_a_registry_is_named_by_tag_or_digest() -> None:
    digest = f"sha256:{A256}"
    assert oci.parse("oci://r.example:5000/a/b:1.2") == oci.OciName(
        registry="r.example:5000", repository="a/b", reference="1.2"
    )
    assert oci.parse("oci://r.example/a/b").reference == "latest"
    assert oci.parse(f"oci://r.example/a@{digest}").reference == digest


@pytest.mark.parametrize("url", ["oci://r/", "oci://r/A", "oci://r/a/../b", "oci://r/a@sha256:12", "oci://r/a:t/g"])
def test_what_names_no_image_of_a_registry_is_refused(url: str) -> None:
    with pytest.raises(InvalidRequest, match="oci://"):
        oci.parse(url)


def test_only_an_artifact_with_one_layer_is_taken() -> None:
    name = oci.parse("oci://r/a:1")
    layer = {"digest": f"sha256:{A256}", "size": 5, "mediaType": "application/vnd.oci.image.layer.v1"}
    assert oci.only_layer({"layers": [layer]}, name).digest == f"sha256:{A256}"
    for manifest, reason in [
        ({"layers": [layer, layer]}, "2 layers"),
        ({}, "0 layers"),
        ({"layers": [layer | {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip"}]}, "container"),
        ({"layers": [layer | {"digest": "md5:x"}]}, "digest"),
    ]:
        with pytest.raises(InvalidRequest, match=reason):
            oci.only_layer(manifest, name)
