import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from steelyard_lab.failure import LabError
from steelyard_lab.image_server import Gate, Images, image_server

CONTENT = bytes(range(256)) * 4096


@pytest.fixture
def images(tmp_path: Path) -> Iterator[Images]:
    (tmp_path / "image.raw").write_bytes(CONTENT)
    with image_server(tmp_path, "127.0.0.1", 0) as served:
        yield served


def test_an_image_is_served_whole_to_every_machine(images: Images) -> None:
    for machine in ("one", "two"):
        with urllib.request.urlopen(images.url(machine, Path("image.raw")), timeout=30) as answer:
            assert answer.read() == CONTENT


def test_a_closed_gate_holds_its_machine_at_half_of_the_image_till_it_is_opened(images: Images) -> None:
    gate = images.close_gate("one")
    got = bytearray()

    def fetch() -> None:
        with urllib.request.urlopen(images.url("one", Path("image.raw")), timeout=30) as answer:
            got.extend(answer.read(len(CONTENT) // 2))
            gate.opened.set()
            got.extend(answer.read())

    fetching = threading.Thread(target=fetch)
    fetching.start()
    gate.wait_reached(30, lambda: None)
    fetching.join(30)

    assert got == CONTENT


def test_a_gate_that_nobody_reaches_is_an_error() -> None:
    with pytest.raises(LabError, match="nobody asked"):
        Gate().wait_reached(0.01, lambda: None)


def test_nobody_waits_at_a_gate_when_it_is_hopeless() -> None:
    def failed() -> None:
        raise LabError("deploy failed")

    with pytest.raises(LabError, match="deploy failed"):
        Gate().wait_reached(0.01, failed)


def test_what_is_not_in_the_folder_is_not_found(images: Images) -> None:
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(images.url("one", Path("passwd")), timeout=30)
