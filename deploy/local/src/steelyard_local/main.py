"""The command ``steelyard``: up, down, status, demo, rack."""

from __future__ import annotations

import argparse
import ipaddress
import os
import signal
import sys
import tempfile
from pathlib import Path

from steelyard_common import telemetry
from steelyard_common.embedded.process import free_port
from steelyard_common.errors import InvalidRequest, NotFound, SteelyardError
from steelyard_rack import main as rack_main

from . import bus, commands, demo, nats_config, sign_in, status
from .checks import check_port, is_free
from .layout import Layout, default_data_dir
from .state import in_use, is_locked
from .suite import Options
from .supervisor import Supervisor
from .upgrade import command as upgrade

DEFAULT_LISTEN = "127.0.0.1:6385"
MOST_REPLICAS = 8
DEFAULT_PACE, DEMO_PACE = 0.1, 0.05


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    try:
        exit_status: int = options.run(options)
        sys.stdout.flush()
    except SteelyardError as error:
        print(f"steelyard: {error.message}", file=sys.stderr)
        return 2 if isinstance(error, InvalidRequest) else 1
    except BrokenPipeError:  # the reader has seen enough, as in `steelyard rack list | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    return exit_status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="steelyard", description="Bare-metal lifecycle: the whole suite on one machine."
    )
    group = parser.add_subparsers(required=True, metavar="COMMAND")
    up = group.add_parser("up", help="bring the suite up (real PostgreSQL and NATS included)")
    _add_up(up)
    up.add_argument(
        "--rack",
        type=int,
        metavar="N",
        help="also N simulated machines, enrolled as nodes (default: as last time; 0: none)",
    )
    up.add_argument(
        "--replicas",
        type=int,
        default=1,
        metavar="N",
        help="processes of each service, which share its work (default: 1)",
    )
    up.add_argument(
        "--boot-listen",
        metavar="ADDRESS[:PORT]",
        help="where machines reach boot's HTTP (default: 127.0.0.1, and a port that is kept)",
    )
    _add_pace(up)
    up.add_argument("--detach", action="store_true", help="return when the API answers")
    up.set_defaults(run=_up)
    down = group.add_parser("down", help="stop the suite; its data is kept")
    _add_data(down)
    down.set_defaults(run=lambda options: commands.down(_layout(options)))
    show = group.add_parser("status", help="each process, its health, version, URL, memory")
    _add_data(show)
    show.add_argument("--json", action="store_true")
    show.set_defaults(run=lambda options: status.show(_layout(options), as_json=options.json))
    check = group.add_parser("upgrade-check", help="may it be upgraded to a release now, and if not, why not")
    _add_data(check)
    upgrade.add(check)
    check.set_defaults(run=lambda options: upgrade.run(options, _layout(options)))
    show_demo = group.add_parser(
        "demo", help="a rack of simulated machines: from a BMC address to a running image (ONESHOT=1: then ends)"
    )
    _add_up(show_demo)
    show_demo.add_argument("--rack", type=int, default=12, metavar="N", help="how many machines (default: 12)")
    _add_pace(show_demo, DEMO_PACE)
    show_demo.set_defaults(run=_demo)
    nats_config.register(group)
    rack_main.register(group, _rack_control)
    return parser


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, metavar="DIR", help=f"the data folder (default: {default_data_dir()})")


def _add_up(parser: argparse.ArgumentParser) -> None:
    _add_data(parser)
    parser.add_argument("--listen", metavar="ADDRESS:PORT", help=f"where the API listens (default: {DEFAULT_LISTEN})")
    parser.add_argument("--auth", choices=sign_in.MODES, default="none", help="who may use the API")
    parser.add_argument(
        "--step-provider",
        action="append",
        default=[],
        metavar="NAME:INTERFACE[,…]",
        help="also a NATS user for a step provider of your own: it may take the steps of these interfaces",
    )


def _add_pace(parser: argparse.ArgumentParser, default: float = DEFAULT_PACE) -> None:
    parser.add_argument(
        "--rack-pace",
        type=float,
        default=default,
        metavar="SHARE",
        help=f"how long the rack's machines take to boot and be written; 1: as real ones (default: {default})",
    )


def _layout(options: argparse.Namespace) -> Layout:
    return _layout_of(options.data)


def _layout_of(data: Path | None) -> Layout:
    return Layout((data or default_data_dir()).expanduser().absolute())


def _rack_control(data: Path | None) -> str | None:
    """The control API of a running suite's rack. Errors: NotFound when a folder is named and has none."""
    layout = _layout_of(data)
    url = status.url_of("rack", layout)
    if url is None and data is not None:
        raise NotFound(f"no rack runs on {layout.root}; start one with `steelyard up --rack N --data {layout.root}`")
    return url


def _up(options: argparse.Namespace) -> int:
    wanted = _options(options, _layout(options))
    if options.detach:
        again = [
            "up",
            "--listen",
            f"{wanted.host}:{wanted.port}",
            "--auth",
            wanted.auth,
            "--data",
            str(wanted.layout.root),
            "--replicas",
            str(wanted.replicas),
            "--rack-pace",
            str(wanted.rack_pace),
        ]
        again += ["--boot-listen", options.boot_listen] if options.boot_listen else []
        again += [word for each in options.step_provider for word in ("--step-provider", each)]
        return commands.detach(wanted.layout, again + (["--rack", str(wanted.rack)] if wanted.rack is not None else []))
    telemetry.configure_logging("local", "warning")
    return Supervisor(wanted).run()


def _demo(options: argparse.Namespace) -> int:
    """On the usual port if it is free, in a folder that goes with us if none is given."""
    is_oneshot = os.environ.get("ONESHOT", "") not in ("", "0")
    host, port = split_listen(options.listen or DEFAULT_LISTEN)
    if options.listen is None and not is_free(host, port):
        options.listen = f"127.0.0.1:{free_port()}"
    telemetry.configure_logging("local", "warning")
    with tempfile.TemporaryDirectory(prefix="steelyard-demo-", ignore_cleanup_errors=True) as folder:
        wanted = _options(options, Layout(options.data.absolute() if options.data else Path(folder)))
        return Supervisor(wanted, job=demo.run if is_oneshot else demo.run_and_stay, leave_after_job=is_oneshot).run()


def _options(options: argparse.Namespace, layout: Layout) -> Options:
    """Errors: InvalidRequest for what must not be, with the reason."""
    host, port = split_listen(options.listen or DEFAULT_LISTEN)
    if options.auth == "none" and not _is_loopback(host):
        raise InvalidRequest(
            f"--listen {host} can be reached from other machines, and --auth none lets everybody in. "
            "Use --auth http_basic, keystone or oidc, or listen on 127.0.0.1."
        )
    sign_in.check(options.auth, os.environ)
    if options.auth in sign_in.BY_TOKEN and options.rack:
        raise InvalidRequest(
            f"--auth {options.auth} leaves it to users to sign in, so that the runner cannot enrol a rack: start with "
            "--rack under --auth none or http_basic once, the nodes stay"
        )
    if options.rack is not None and not 0 <= options.rack <= 10_000:
        raise InvalidRequest("--rack takes 0 to 10,000 machines")
    if not 0.001 <= options.rack_pace <= 10:
        raise InvalidRequest("--rack-pace takes 0.001 to 10")
    replicas = getattr(options, "replicas", 1)
    if not 1 <= replicas <= MOST_REPLICAS:
        raise InvalidRequest(f"--replicas takes 1 to {MOST_REPLICAS}")
    if is_locked(layout):
        raise in_use(layout)  # before the port, which it probably has: that is not what is wrong
    port = port or free_port()
    check_port(host, port)
    boot_host, boot_port = split_listen(_with_port(getattr(options, "boot_listen", None) or "127.0.0.1"))
    check_port(boot_host, boot_port)
    providers = bus.step_providers(options.step_provider)
    return Options(
        layout=layout, host=host, port=port, auth=options.auth, rack=options.rack, replicas=replicas,
        step_providers=providers, boot_host=boot_host, boot_port=boot_port, rack_pace=options.rack_pace,
    )  # fmt: skip


def split_listen(text: str) -> tuple[str, int]:
    """``address:port`` → both. Errors: InvalidRequest."""
    host, _, port = text.rpartition(":")
    host = host.strip("[]") or "127.0.0.1"
    if not port.isdecimal() or int(port) > 65535:
        raise InvalidRequest(f"--listen takes ADDRESS:PORT, not {text!r}")
    return ("127.0.0.1" if host == "localhost" else host), int(port)


def _with_port(text: str) -> str:
    """An address alone takes any port."""
    try:
        ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return text
    return f"[{text.strip('[]')}]:0"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError as error:
        raise InvalidRequest(f"--listen takes an IP address, not {host!r}") from error


if __name__ == "__main__":
    sys.exit(main())
