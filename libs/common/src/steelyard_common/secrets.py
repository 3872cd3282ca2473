"""Sealed secrets: AES-256-GCM with the key's id in the clear (architecture §6).

``sealed:<key id>:<base64url of nonce + ciphertext + tag>``. The gateway seals before a value leaves it,
a BMC driver opens right before use; nothing in between can read it. Several keys may be known, one seals,
so that keys can be rotated.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .errors import InvalidRequest

PREFIX = "sealed:"
MASK = "******"
# Names that hold secrets, as Ironic masks them (facts §3): password, secret or token in them, and SNMP keys.
SECRET_NAME = re.compile(
    r"pass(word|wd|phrase)|secret|token|^snmp_(auth|priv)_key$|_hex_kg_key$|private_key", re.IGNORECASE
)


class Sealer:
    """Seals and opens text. Keys: id → 32 bytes; ``active`` names the one that seals."""

    def __init__(self, keys: Mapping[str, bytes], active: str) -> None:
        # Here, not on top: every service reads this module, two of them have keys, and it takes 8 MB.
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        if active not in keys:
            raise InvalidRequest(f"sealing key {active!r} is not among the keys that are set")
        self._ciphers = {key_id: AESGCM(key) for key_id, key in keys.items()}
        self._mark = hmac.digest(keys[active], b"fingerprint", "sha256")
        self._active = active

    @classmethod
    def from_text(cls, text: str) -> Sealer:
        """``id:base64key[,id:base64key…]``; the first one seals. Errors: InvalidRequest, naming no key material."""
        keys: dict[str, bytes] = {}
        for part in filter(None, (piece.strip() for piece in text.split(","))):
            key_id, colon, encoded = part.partition(":")
            if not colon:  # it may be a key that lost its id: it is not quoted
                raise InvalidRequest("a sealing key has no id: STEELYARD_SEAL_KEYS is <id>:<base64url of 32 bytes>[,…]")
            try:
                keys[key_id] = base64.urlsafe_b64decode(encoded)
            except (ValueError, binascii.Error) as error:
                raise InvalidRequest(f"sealing key {key_id!r} is not base64") from error
            if len(keys[key_id]) != 32:
                raise InvalidRequest(f"sealing key {key_id!r} must be 32 bytes, base64url-encoded")
        if not keys:
            raise InvalidRequest("no sealing key is set: STEELYARD_SEAL_KEYS is <id>:<base64url of 32 bytes>[,…]")
        return cls(keys, next(iter(keys)))

    @staticmethod
    def new_key(key_id: str = "k1") -> str:
        """A fresh key in the form that ``from_text`` reads."""
        return f"{key_id}:{base64.urlsafe_b64encode(os.urandom(32)).decode()}"

    def seal(self, text: str) -> str:
        nonce = os.urandom(12)
        sealed = nonce + self._ciphers[self._active].encrypt(nonce, text.encode(), None)
        return f"{PREFIX}{self._active}:{base64.urlsafe_b64encode(sealed).decode()}"

    def fingerprint(self, token: str) -> str:
        """The same for two seals of one secret, while one key is active; it tells nothing of the secret.

        Errors: as ``open``.
        """
        return hmac.digest(self._mark, self.open(token).encode(), "sha256").hex()

    def open(self, token: str) -> str:
        """Errors: InvalidRequest when the key is unknown or the token was changed."""
        key_id, _, encoded = token.removeprefix(PREFIX).partition(":")
        from cryptography.exceptions import InvalidTag

        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise InvalidRequest(f"a secret is sealed with key {key_id!r}, which this service does not have")
        try:
            raw = base64.urlsafe_b64decode(encoded)
            return cipher.decrypt(raw[:12], raw[12:], None).decode()
        except (InvalidTag, ValueError) as error:
            raise InvalidRequest("a sealed secret cannot be opened: it was changed or cut") from error


def seal_secrets(value: Any, sealer: Sealer) -> Any:
    """``value`` with every non-empty string under a secret's name sealed, at any depth; MASK stays (it means: keep)."""
    if isinstance(value, dict):
        return {key: _seal_field(str(key), item, sealer) for key, item in value.items()}
    if isinstance(value, list):
        return [seal_secrets(item, sealer) for item in value]
    return value


def _seal_field(name: str, value: Any, sealer: Sealer) -> Any:
    if isinstance(value, (dict, list)):
        return seal_secrets(value, sealer)
    if value in (None, "", MASK) or not SECRET_NAME.search(name):
        return value
    return sealer.seal(value if isinstance(value, str) else str(value))


def sealed_paths(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every (JSON pointer, sealed token) below ``value``."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        where = f"{path}/{str(key).replace('~', '~0').replace('/', '~1')}"
        if isinstance(item, str) and item.startswith(PREFIX):
            yield where, item
        else:
            yield from sealed_paths(item, where)


def write_secret(file: Path, text: str) -> None:
    """A file that only its owner may read, from its first byte on."""
    draft = file.with_name(f"{file.name}.new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text)
    draft.rename(file)
