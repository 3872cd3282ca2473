from pathlib import Path

from steelyard_lab import disk

MIB = 1 << 20


def made(tmp_path: Path, name: str, content: bytes) -> Path:
    file = tmp_path / name
    file.write_bytes(content)
    return file


def test_a_pattern_is_found_at_every_place_where_it_was_written(tmp_path: Path) -> None:
    file = made(tmp_path, "disk", bytes(MIB))
    assert disk.pattern_left(file) == set()

    disk.write_pattern(file)

    assert disk.pattern_left(file) == {"start", "middle", "end"}
    assert file.stat().st_size == MIB


def test_what_was_erased_at_both_ends_leaves_the_middle(tmp_path: Path) -> None:
    file = made(tmp_path, "disk", bytes(MIB))
    disk.write_pattern(file)
    with file.open("r+b") as opened:
        opened.write(bytes(34 * 512))
        opened.seek(-34 * 512, 2)
        opened.write(bytes(34 * 512))

    assert disk.pattern_left(file) == {"middle"}


def test_of_an_image_only_blocks_that_are_no_zeros_count_as_left(tmp_path: Path) -> None:
    image = made(tmp_path, "image", b"a" * 4096 + bytes(4096) + b"b" * 4096)

    assert disk.blocks_left(made(tmp_path, "same", image.read_bytes() + bytes(4096)), image) == (2, 2)
    assert disk.blocks_left(made(tmp_path, "half", b"a" * 4096 + bytes(8192)), image) == (2, 1)
    assert disk.blocks_left(made(tmp_path, "empty", bytes(12288)), image) == (2, 0)
