"""Environment → dataclass: everything wrong is told at once, and no value is shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from steelyard_common.errors import InvalidRequest
from steelyard_common.secrets import Sealer
from steelyard_common.settings import (
    DatabaseSettings,
    SealSettings,
    boolean,
    default_instance,
    describe,
    env,
    one_of,
    positive,
    rate,
    read,
    seconds,
    some_seconds,
)


@dataclass(frozen=True, kw_only=True)
class Settings(DatabaseSettings, SealSettings):
    parallel: int = field(default=8, metadata=env("STEELYARD_PARALLEL", "how many at once", parse=positive))
    interval_s: float = field(default=60.0, metadata=env("STEELYARD_INTERVAL_S", "how often", parse=seconds))
    correct: bool = field(default=True, metadata=env("STEELYARD_CORRECT", "put right what differs", parse=boolean))


URL = {"STEELYARD_DATABASE_URL": "postgresql://u:hunter2@127.0.0.1/x"}


def test_settings_are_read_and_parsed() -> None:
    settings = read(
        Settings, {**URL, "STEELYARD_PARALLEL": " 3 ", "STEELYARD_CORRECT": "no", "STEELYARD_INTERVAL_S": ""}
    )

    assert (settings.parallel, settings.correct, settings.interval_s) == (3, False, 60.0)
    assert settings.site == "local"


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(Settings, {"STEELYARD_PARALLEL": "0", "STEELYARD_CORRECT": "maybe"})

    text = caught.value.message
    assert "STEELYARD_DATABASE_URL is not set: PostgreSQL" in text
    assert "STEELYARD_PARALLEL: a whole number, 1 or more" in text
    assert "STEELYARD_CORRECT: true or false is expected" in text


def test_a_wrong_value_is_not_repeated() -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(Settings, {**URL, "STEELYARD_PARALLEL": "hunter2"})

    assert "hunter2" not in caught.value.message


def test_secrets_are_not_in_the_repr() -> None:
    settings = read(
        Settings, {**URL, "STEELYARD_SEAL_KEYS": Sealer.new_key(), "STEELYARD_NATS_URL": "nats://u:hunter2@h"}
    )

    assert "hunter2" not in repr(settings)
    assert settings.seal_keys not in repr(settings)


def test_sealing_keys_may_lie_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"{Sealer.new_key('new')}\n{Sealer.new_key('old')}\n")

    sealer = read(Settings, {**URL, "STEELYARD_SEAL_KEYS_FILE": str(file)}).sealer()

    assert sealer.seal("x").startswith("sealed:new:")


@pytest.mark.parametrize("environ", [{}, {"STEELYARD_SEAL_KEYS_FILE": "/nowhere"}, {"STEELYARD_SEAL_KEYS": "k1:short"}])
def test_without_a_usable_key_nothing_is_sealed(environ: dict[str, str]) -> None:
    with pytest.raises(InvalidRequest):
        read(Settings, {**URL, **environ}).sealer()


@pytest.mark.parametrize("text", ["nan", "-1", "inf", "soon"])
def test_seconds_are_finite_and_not_negative(text: str) -> None:
    with pytest.raises(ValueError):
        seconds(text)


@pytest.mark.parametrize("text", ["0", "0.0", "-1", "soon"])
def test_a_limit_of_no_time_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="seconds"):
        some_seconds(text)
    assert some_seconds("0.5") == 0.5


def test_a_rate_is_positive() -> None:
    with pytest.raises(ValueError, match="a positive number is expected"):
        rate("0")
    assert rate("2.5") == 2.5


def test_a_choice_names_the_choices() -> None:
    with pytest.raises(ValueError, match="one of none, http_basic is expected"):
        one_of("none", "http_basic")("keystone")


def test_the_reference_page_has_a_row_for_each_setting() -> None:
    rows = {row.name: row for row in describe(Settings)}

    assert rows["STEELYARD_PARALLEL"].default == "8"
    assert rows["STEELYARD_DATABASE_URL"].default == "(required)"
    assert rows["STEELYARD_CORRECT"].description == "put right what differs"


def test_an_instance_is_named_like_a_host() -> None:
    name = default_instance("api-gateway")

    assert name.startswith("api-gateway-")
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789.-")


def test_a_short_wrong_value_does_not_spoil_the_words_around_it() -> None:
    with pytest.raises(InvalidRequest, match="a whole number, 1 or more, is expected"):
        read(Settings, {**URL, "STEELYARD_PARALLEL": "x"})


def test_a_key_that_lost_its_id_is_not_quoted() -> None:
    key = Sealer.new_key().partition(":")[2]

    with pytest.raises(InvalidRequest) as refused:
        Sealer.from_text(key)

    assert key not in refused.value.message
