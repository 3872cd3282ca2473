"""``steelyard nats-config``: the configuration, passwords and certificates for a nats-server of one's own."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

from steelyard_common.embedded import NatsFolder
from steelyard_common.embedded.nats_config import MAX_PAYLOAD, jetstream
from steelyard_common.embedded.nats_folder import LOOPBACK
from steelyard_common.errors import InvalidRequest
from steelyard_common.secrets import write_secret

from .bus import step_providers

PORT = 4222


def register(group: Any) -> None:
    parser = group.add_parser(
        "nats-config", help="write configuration, users and certificates for a nats-server of your own"
    )
    parser.add_argument("--site", required=True, help="the site: first part of every subject")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the folder; what is there is kept")
    parser.add_argument(
        "--host", action="append", default=[], metavar="NAME", help="name or address by which clients reach the server"
    )
    parser.add_argument("--port", type=int, default=PORT, help=f"where it listens ({PORT})")
    parser.add_argument("--no-tls", action="store_true", help="only on a network that nobody else can hear")
    parser.add_argument(
        "--step-provider", action="append", default=[], metavar="NAME:INTERFACE[,…]", help="also a user for this one"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """→ exit status. Errors: InvalidRequest when the site makes no subject or the folder cannot be written."""
    if not re.fullmatch(r"[a-z0-9-]+", options.site):
        raise InvalidRequest(f"a site has small letters, digits and hyphens, not {options.site!r}")
    out = options.out.expanduser().absolute()
    folder = NatsFolder(
        out, options.site, hosts=(*options.host, *LOOPBACK), has_tls=not options.no_tls,
        step_providers=step_providers(options.step_provider),
    )  # fmt: skip
    try:
        folder.prepare()
        write_secret(out / "nats.conf", json.dumps(configuration(folder, options.port), indent=2) + "\n")
    except OSError as error:
        raise InvalidRequest(f"{out} cannot be written: {error.strerror}") from error
    print(f"{out / 'nats.conf'}: nats-server -c {out / 'nats.conf'}")
    print(f"Users, each with its password in {out}/<user>.password: {', '.join(folder.table)}.")
    return 0


def configuration(folder: NatsFolder, port: int) -> dict[str, Any]:
    return {
        "listen": f"0.0.0.0:{port}" if folder.has_tls else f"127.0.0.1:{port}",
        "server_name": f"steelyard-{folder.site}",
        "jetstream": jetstream(folder.root / "jetstream", durable=True),
        "max_payload": MAX_PAYLOAD,
        **folder.server_config(hashed=True),
    }
