"""The command line of the rack: ``register`` adds the group ``rack`` to a parser, ``main`` runs it alone."""

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from . import commands
from .hardware import Timings
from .plan import INITIAL_POWERS, PROTOCOLS, TLS_MODES, BadPlan, Plan
from .rack import Rack
from .server import serve

DEFAULT_CONTROL = "127.0.0.1:6380"


def register(
    subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]",
    control_of: Callable[[Path | None], str | None] | None = None,
) -> None:
    """Add ``rack`` with its own commands. Each sets ``run``: a function of the arguments that returns a status.

    ``control_of`` knows the rack of a data folder (None: the usual one); with it the commands take ``--data``.
    """
    rack = subparsers.add_parser("rack", help="a simulated rack of machines with Redfish and IPMI BMCs")
    add_commands(rack, control_of)


def add_commands(
    parser: argparse.ArgumentParser, control_of: Callable[[Path | None], str | None] | None = None
) -> None:
    """The commands below ``rack``. Which one: --control, --data, the environment, a known one, the usual port."""
    group = parser.add_subparsers(dest="rack_command", required=True, metavar="COMMAND")
    _add_serve(group.add_parser("serve", help="run a rack in the foreground"))

    def control(options: argparse.Namespace) -> str:
        if options.control:
            return str(options.control)
        data: Path | None = getattr(options, "data", None)
        named = os.environ.get("STEELYARD_RACK_CONTROL") if data is None else None
        return named or (control_of(data) if control_of else None) or DEFAULT_CONTROL

    commands.register(group, control, takes_data=control_of is not None)


def main(arguments: Sequence[str] | None = None) -> int:
    """``python -m steelyard_rack …``."""
    parser = argparse.ArgumentParser(prog="steelyard-rack", description=__doc__)
    add_commands(parser)
    options = parser.parse_args(arguments)
    status: int = options.run(options)
    return status


def _add_serve(parser: argparse.ArgumentParser) -> None:
    default = Plan()
    add = parser.add_argument
    add("--machines", type=int, default=default.machines, help="how many (1 to 10,000)")
    add("--name", default=default.name, help="names the machines; the same name gives the same machines again")
    add("--protocols", choices=PROTOCOLS, default=default.protocols, help="mixed: half Redfish, half IPMI")
    add("--base-address", default="", help="loopback address of the first BMC; each has its own (default: by name)")
    add("--redfish-port", type=int, default=default.redfish_port, help="0: let the system choose for each")
    add("--ipmi-port", type=int, default=default.ipmi_port, help="0: let the system choose for each")
    add("--systems-per-bmc", type=int, default=1, help="several systems behind one Redfish BMC")
    add("--path-prefix", default="", help="put a path before /redfish/v1")
    add("--tls", choices=TLS_MODES, default=default.tls, help="of Redfish; ca: signed by the rack's own authority")
    add("--data-dir", default="", help="where the authority's files lie (default: a temporary folder)")
    add("--username", default=default.username, help="of all BMCs")
    add("--password", default="", help="of all BMCs (default: each has its own, drawn from the name)")
    add("--initial-power", choices=INITIAL_POWERS, default="off", help="at the start of the rack")
    add("--power-on", type=_span, default=default.timings.power_on_s, metavar="S-S", help="seconds, shortest-longest")
    add("--power-off", type=_span, default=default.timings.power_off_s, metavar="S-S", help="likewise")
    add("--soft-off", type=_span, default=default.timings.soft_off_s, metavar="S-S", help="what a shutdown adds")
    add(
        "--boot-url",
        default="",
        metavar="URL",
        help="first script of machines that boot over the network, as DHCP tells",
    )
    add("--pace", type=float, default=default.pace, help="how long booting and agents take; 1: as real ones")
    add("--control", default=DEFAULT_CONTROL, metavar="ADDRESS:PORT", help="of the control API, loopback only")
    add("--json", action="store_true", help="announce the rack as one line of JSON")
    add("--stop-with-stdin", action="store_true", help="stop when standard input ends")
    parser.set_defaults(run=_serve)


def _span(text: str) -> tuple[float, float]:
    low, _, high = text.partition("-")
    try:
        span = float(low), float(high or low)
    except ValueError as error:
        raise argparse.ArgumentTypeError("give seconds as 1-3 or 2") from error
    if not 0 <= span[0] <= span[1]:
        raise argparse.ArgumentTypeError("the shortest comes first")
    return span


def _serve(options: argparse.Namespace) -> int:
    try:
        serve(_plan(options), options.control, _announcer(options), stop_with_stdin=options.stop_with_stdin)
    except (BadPlan, ValueError, OSError) as error:
        print(f"The rack cannot run: {error}", file=sys.stderr)
        return 1
    return 0


def _plan(options: argparse.Namespace) -> Plan:
    return Plan(
        machines=options.machines,
        name=options.name,
        protocols=options.protocols,
        base_address=options.base_address,
        redfish_port=options.redfish_port,
        ipmi_port=options.ipmi_port,
        systems_per_bmc=options.systems_per_bmc,
        path_prefix=options.path_prefix,
        tls=options.tls,
        username=options.username,
        password=options.password,
        initial_power=options.initial_power,
        timings=Timings(power_on_s=options.power_on, power_off_s=options.power_off, soft_off_s=options.soft_off),
        data_dir=options.data_dir,
        boot_url=options.boot_url,
        pace=options.pace,
    )


def _announcer(options: argparse.Namespace) -> Callable[[Rack, str], None]:
    """Says that the rack is ready, for people or for programs."""

    def announce(rack: Rack, control: str) -> None:
        if options.json:
            print(json.dumps({"control": control, "machines": len(rack.units)}), flush=True)
        else:
            print(f"{len(rack.units)} machines are ready; control API at {control}. Ctrl-C stops them.", flush=True)

    return announce
