"""Passwords as a Linux system keeps them: SHA-512 crypt, ``$6$salt$hash``, after U. Drepper's specification
("Unix crypt using SHA-256 and SHA-512", akkadia.org/drepper/SHA-crypt.txt); its numbers of steps stand at the lines.

Python's own module for it is deprecated and goes in 3.13.
"""

from __future__ import annotations

import hashlib
import secrets

ALPHABET = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
ROUNDS = 5000
SALT_CHARS = 16
SIZE = 64


def hashed(password: str, salt: str | None = None) -> str:
    """``salt``: up to 16 characters of ALPHABET; a new one when none is given."""
    salt = salt or "".join(secrets.choice(ALPHABET) for _ in range(SALT_CHARS))
    return f"$6${salt}${_encoded(_digest(password.encode(), salt.encode()))}"


def _digest(key: bytes, salt: bytes) -> bytes:
    other = hashlib.sha512(key + salt + key).digest()  # 4–8
    first = hashlib.sha512(key + salt + _stretched(other, len(key)))  # 1–3, 9–10
    size = len(key)
    while size:  # 11
        first.update(other if size & 1 else key)
        size >>= 1
    mixed = first.digest()
    p = _stretched(hashlib.sha512(key * len(key)).digest(), len(key))  # 13–16
    s = _stretched(hashlib.sha512(salt * (16 + mixed[0])).digest(), len(salt))  # 17–20
    for number in range(ROUNDS):  # 21
        parts = [p if number & 1 else mixed]
        parts += [s] if number % 3 else []
        parts += [p] if number % 7 else []
        parts += [mixed if number & 1 else p]
        mixed = hashlib.sha512(b"".join(parts)).digest()
    return mixed


def _stretched(block: bytes, size: int) -> bytes:
    return (block * (size // SIZE + 1))[:size]


def _encoded(digest: bytes) -> str:
    """Three bytes become four characters, the lowest six bits first; the bytes are shuffled (22e)."""
    text = ""
    for number in range(21):
        places = (number, number + 21, number + 42)
        turn = number % 3
        high, middle, low = (digest[place] for place in places[turn:] + places[:turn])
        text += _characters(high << 16 | middle << 8 | low, 4)
    return text + _characters(digest[63], 2)


def _characters(value: int, count: int) -> str:
    return "".join(ALPHABET[value >> 6 * place & 63] for place in range(count))
