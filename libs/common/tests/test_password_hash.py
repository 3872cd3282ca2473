"""SHA-512 crypt, against the vectors of its specification."""

from __future__ import annotations

import pytest
from steelyard_common.password_hash import hashed


@pytest.mark.parametrize(
    ("salt", "password", "result"),
    [
        (
            "saltstring", "Hello world!",
            "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1",
        ),
        (
            "toolongsaltstrin", "This is just a test",
            "$6$toolongsaltstrin$lQ8jolhgVRVhY4b5pZKaysCLi0QBxGoNeKQzQ3glMhwllF7oGDZxUhx1yxdYcz/e1JSbq3y6JMxxl8audkUEm0",
        ),
    ],
)  # fmt: skip
def test_the_vectors_of_the_specification_come_out(salt: str, password: str, result: str) -> None:
    assert hashed(password, salt) == result


def test_the_same_password_has_another_hash_each_time() -> None:
    first, second = hashed("pässword" * 20), hashed("pässword" * 20)

    assert first != second
    assert hashed("pässword" * 20, first.split("$")[2]) == first
