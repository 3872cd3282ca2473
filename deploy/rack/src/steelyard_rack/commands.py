"""Commands that speak to a running rack: list, show, fault, power, record, nodes."""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from .client import ControlError, RackClient
from .faults import MEANINGS, BadFault, parsed

_Run = Callable[[RackClient, argparse.Namespace], int]


def register(
    group: "argparse._SubParsersAction[argparse.ArgumentParser]",
    control: Callable[[argparse.Namespace], str],
    *,
    takes_data: bool,
) -> None:
    """Add the commands; ``control`` says which control API is meant, ``takes_data`` whether by data folder, too."""
    add = partial(_add, group, control, takes_data)
    add("list", "all machines and what they do", _list)
    _machine_argument(add("show", "one machine", _show))
    add("nodes", "a node body for each machine, ready to be enrolled", _nodes)
    fault = add("fault", "set or clear faults", _fault)
    fault.add_argument("machine", nargs="?", help="a machine's name, or 'all'; without it the faults are explained")
    fault.add_argument("faults", nargs="*", metavar="FAULT[=VALUE]", help="faults to set; NAME=off clears one")
    fault.add_argument("--clear", action="store_true", help="clear all faults first")
    power = _machine_argument(add("power", "use the button or the cord of a machine", _power))
    power.add_argument("action", choices=("on", "off", "press", "pull"))
    add("renew", "all machines as new, and an empty record", _renew)
    record = add("record", "what the BMCs received", _record)
    record.add_argument("machine", nargs="?", help="of this machine only")
    record.add_argument("--since", type=float, default=0.0, metavar="SECONDS", help="of the last so many seconds")
    record.add_argument("--writes", action="store_true", help="only what could change something")
    record.add_argument("--power", action="store_true", help="only how often each power action was accepted")
    record.add_argument("--clear", action="store_true", help="forget everything")


def _add(
    group: "argparse._SubParsersAction[argparse.ArgumentParser]",
    control: Callable[[argparse.Namespace], str],
    takes_data: bool,
    name: str,
    text: str,
    run: _Run,
) -> argparse.ArgumentParser:
    parser = group.add_parser(name, help=text)
    parser.add_argument("--control", default="", metavar="ADDRESS:PORT", help="of the rack's control API")
    if takes_data:
        parser.add_argument("--data", type=Path, metavar="DIR", help="the rack that `steelyard up --data DIR` started")
    parser.add_argument("--json", action="store_true", help="answer in JSON")
    parser.set_defaults(run=_with_client(run, control))
    return parser


def _machine_argument(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("machine", help="a machine's name")
    return parser


def _with_client(run: _Run, control: Callable[[argparse.Namespace], str]) -> Callable[[argparse.Namespace], int]:
    def command(options: argparse.Namespace) -> int:
        try:
            return run(RackClient(control(options)), options)
        except (ControlError, BadFault) as error:
            print(str(error), file=sys.stderr)
            return 1

    return command


def _list(client: RackClient, options: argparse.Namespace) -> int:
    machines = client.machines()
    if options.json:
        return _print_json(machines)
    rows = [
        (m["name"], m["power"], m["redfish_url"] or "-", _ipmi(m), str(m["boots"]), _faults(m["faults"]))
        for m in machines
    ]
    return _print_table(("NAME", "POWER", "REDFISH", "IPMI", "BOOTS", "FAULTS"), rows)


def _show(client: RackClient, options: argparse.Namespace) -> int:
    machine = client.machine(options.machine)
    if options.json:
        return _print_json(machine)
    return _print_table(("FIELD", "VALUE"), [(key, _text(value)) for key, value in machine.items()])


def _nodes(client: RackClient, _options: argparse.Namespace) -> int:
    return _print_json({"nodes": client.nodes()})


def _fault(client: RackClient, options: argparse.Namespace) -> int:
    if options.machine is None:
        return _print_json(MEANINGS) if options.json else _print_table(("FAULT", "MEANING"), MEANINGS.items())
    changes = dict(_parse_fault(text) for text in options.faults)
    names = [m["name"] for m in client.machines()] if options.machine == "all" else [options.machine]
    if options.clear:
        client.clear_faults(None if options.machine == "all" else options.machine)
    if changes:
        client.set_faults_of(names, changes)
    machines = client.machines() if options.machine == "all" else [client.machine(options.machine)]
    now_on = {m["name"]: m["faults"] for m in machines}
    if options.json:
        return _print_json(now_on)
    return _print_table(("NAME", "FAULTS"), [(name, _faults(faults)) for name, faults in now_on.items()])


def _parse_fault(text: str) -> tuple[str, object]:
    name, _, value = text.partition("=")
    name = name.replace("-", "_")
    return (name, None) if value == "off" else (name, parsed(name, value))


def _power(client: RackClient, options: argparse.Namespace) -> int:
    machine = client.press(options.machine, options.action)
    if options.json:
        return _print_json(machine)
    print(f"{machine['name']}: {machine['power']}")
    return 0


def _renew(client: RackClient, _options: argparse.Namespace) -> int:
    client.renew()
    return 0


def _record(client: RackClient, options: argparse.Namespace) -> int:
    if options.clear:
        client.clear_record()
        return 0
    if options.power:
        return _print_power_actions(client, options)
    since = time.time() - options.since if options.since else 0.0
    entries = client.record(options.machine, since=since, only_writes=options.writes)
    if options.json:
        return _print_json(entries)
    rows = [(_clock(e["at"]), e["machine"], e["protocol"], e["operation"], e["outcome"]) for e in entries]
    return _print_table(("TIME", "MACHINE", "PROTOCOL", "OPERATION", "OUTCOME"), rows)


def _print_power_actions(client: RackClient, options: argparse.Namespace) -> int:
    counts = {name: actions for name, actions in client.power_actions().items() if options.machine in (None, name)}
    if options.json:
        return _print_json(counts)
    rows = [(name, action, str(count)) for name, actions in counts.items() for action, count in actions.items()]
    return _print_table(("MACHINE", "POWER ACTION", "TIMES"), rows)


def _ipmi(machine: dict[str, Any]) -> str:
    return f"{machine['ipmi_address']}:{machine['ipmi_port']}" if machine["ipmi_address"] else "-"


def _faults(faults: dict[str, Any]) -> str:
    return " ".join(name if value is True else f"{name}={value}" for name, value in faults.items()) or "-"


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _clock(at: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(at)) + f"{at % 1:.3f}"[1:]


def _print_json(value: object) -> int:
    print(json.dumps(value, indent=2))
    return 0


def _print_table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> int:
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    return 0
