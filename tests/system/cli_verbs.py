"""What `baremetal` is told to do in test_every_cli_verb.py, and what has to come of it: tables of rows, by theme."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

UUID = "11111111-2222-3333-4444-{:012d}"
MAC = "02:00:00:00:cc:{:02d}"
FAKES = "--bios-interface fake --boot-interface fake --deploy-interface fake --inspect-interface fake " \
    "--raid-interface fake --rescue-interface fake --vendor-interface fake --console-interface fake"  # fmt: skip
STEPS = '[{"interface": "bios", "step": "factory_reset", "args": {}, "priority": 10}]'
ORDERED = '[{"interface": "bios", "step": "factory_reset", "order": 1}]'
CLEAN_STEPS = '[{"interface": "bios", "step": "factory_reset"}]'
HOLD = '[{"interface": "deploy", "step": "hold", "args": {}, "priority": 95}]'


@dataclass(frozen=True)
class Row:
    """``{words}`` in ``line`` are what rows before it kept. ``shows``: keys of the shown object and their values, or
    (column, values) of a list; ``says``: found in the output; ``refused``: found in the error of a command that fails.
    ``becomes``: what node ``of`` shows in the end. ``keeps``: the name for the shown uuid."""

    line: str
    shows: dict[str, Any] = field(default_factory=dict)
    lists: tuple[str, list[Any]] | None = None
    says: str | None = None
    refused: str | None = None
    of: str = ""
    becomes: dict[str, Any] = field(default_factory=dict)
    keeps: str = ""

    def verb(self, verbs: set[str]) -> str:
        """The longest verb of the command that the line begins with."""
        words = self.line.split()
        for length in range(len(words), 0, -1):
            if (verb := " ".join(words[:length])) in verbs:
                return verb
        raise ValueError(f"no verb: {self.line}")


def _state(line: str, of: str, state: str, **more: Any) -> Row:
    return Row(line, of=of, becomes={"provision_state": state, "reservation": None} | more)


THEMES: dict[str, list[Row]] = {
    "nodes": [
        Row(f"node create --driver fake-hardware --name n1 --uuid {UUID.format(1)} {FAKES} --resource-class r1",
            {"uuid": UUID.format(1), "provision_state": "enroll", "bios_interface": "fake"}),
        Row("node create --driver fake-hardware --name n2 --parent-node n1 --shard s1", keeps="child"),
        Row("node list", lists=("name", ["n1"])),
        Row("node list --include-children --fields name --sort name:desc", lists=("name", ["n2", "n1"])),
        Row("node children list n1", {"children": ["{child}"]}),
        Row("shard list", lists=("name", ["s1", "None"])),
        Row("node set n1 --property cpus=4 --extra a=b --owner me --instance-info k=v --conductor-group ''"),
        Row("node show n1", {"properties": {"cpus": 4}, "extra": {"a": "b"}, "owner": "me"}),
        Row("node unset n1 --extra a --owner"),
        Row("node show n1 --fields extra owner", {"extra": {}, "owner": None}),
        Row("node set nothing --extra a=b", refused="Node nothing could not be found"),
        Row("node validate n1 -f json", says='"power"'),
        Row("node maintenance set n1 --reason why"),
        Row("node show n1", {"maintenance": True, "maintenance_reason": "why"}),
        Row("node maintenance unset n1"),
        Row("node show n1 --fields maintenance maintenance_reason", {"maintenance": False, "maintenance_reason": None}),
        Row("node add trait n1 CUSTOM_A"),
        Row("node trait add n1 CUSTOM_B CUSTOM_C"),
        Row("node trait list n1", lists=("traits", ["CUSTOM_A", "CUSTOM_B", "CUSTOM_C"])),
        Row("node remove trait n1 CUSTOM_A"),
        Row("node trait remove n1 --all"),
        Row("node trait list n1", lists=("traits", [])),
        Row("node delete n2"),
        Row("node delete n1"),
        Row("node show n1", refused="Node n1 could not be found"),
    ],
    "hardware": [
        Row(f"node create --driver fake-hardware --name h1 {FAKES}"),
        Row("node manage h1 --wait 60", of="h1", becomes={"provision_state": "manageable"}),
        Row("node power on h1", of="h1", becomes={"power_state": "power on", "target_power_state": None}),
        Row("node reboot h1", of="h1", becomes={"power_state": "power on", "target_power_state": None}),
        Row("node power off h1", of="h1", becomes={"power_state": "power off", "target_power_state": None}),
        Row("node boot device set h1 pxe --persistent"),
        Row("node boot device show h1", {"boot_device": "pxe", "persistent": False}),  # as Ironic's fake says
        Row("node boot device show h1 --supported", {"supported_boot_devices": "pxe"}),
        # As Ironic's fake: taken, and then it says that it cannot.
        Row("node boot mode set h1 uefi", of="h1", becomes={"last_error": True, "reservation": None}),
        Row("node boot mode set h1 odd", refused="invalid choice"),
        Row("node secure boot on h1", of="h1", becomes={"last_error": True, "reservation": None}),
        Row("node secure boot off h1", of="h1", becomes={"last_error": True, "reservation": None}),
        Row("node inject nmi h1", refused="the fake management interface does not inject NMIs"),
        Row("node vif attach h1 vif-1"),
        Row("node vif list h1", lists=("id", [])),  # the noop network keeps none
        Row("node vif detach h1 vif-1"),
        Row("node passthru list h1", says="second_method"),
        Row("node passthru call h1 second_method --arg bar=kazoo"),
        Row("node passthru call h1 tenth_method", refused="No handler for method tenth_method"),
        Row("node bios setting list h1", lists=("name", [])),
        Row("node bios setting show h1 BootMode", refused="BootMode"),
        Row("node firmware list h1", lists=("component", [])),
        Row("node console show h1", {"console_enabled": False, "console_info": None}),
        Row("node console enable h1", of="h1", becomes={"console_enabled": True, "reservation": None}),
        Row("node console disable h1", of="h1", becomes={"console_enabled": False, "reservation": None}),
        Row("""node set h1 --target-raid-config '{"logical_disks": [{"size_gb": 100, "raid_level": "1"}]}'"""),
        Row("node show h1 --fields target_raid_config",
            {"target_raid_config": {"logical_disks": [{"size_gb": 100, "raid_level": "1"}]}}),
        Row("node unset h1 --target-raid-config"),
        Row("node show h1 --fields target_raid_config", {"target_raid_config": {}}),
    ],
    "lifecycle": [
        Row(f"node create --driver fake-hardware --name l1 {FAKES} --resource-class lives --no-automated-clean"),
        _state("node manage l1", "l1", "manageable"),
        Row("node inventory save l1", refused="could not be found"),
        _state("node inspect l1", "l1", "manageable", inspection_finished_at=True),
        Row("node inventory save l1", says='"product_name": "fake-hardware"'),
        _state(f"node clean l1 --clean-steps '{CLEAN_STEPS}'", "l1", "manageable"),
        _state("node provide l1", "l1", "available"),
        _state(f"node deploy l1 --deploy-steps '{HOLD}'", "l1", "deploy hold"),
        _state("node unhold l1", "l1", "active"),
        _state("node rescue l1 --rescue-password word", "l1", "rescue"),
        _state("node unrescue l1", "l1", "active"),
        _state(f"node service l1 --service-steps '{CLEAN_STEPS}'", "l1", "active"),
        _state("node rebuild l1", "l1", "active"),
        Row("node set l1 --driver-info fake_factory_reset_wait=heartbeat"),
        _state("node undeploy l1", "l1", "available"),
        _state("node manage l1", "l1", "manageable"),
        Row(f"node clean l1 --clean-steps '{CLEAN_STEPS}'", of="l1", becomes={"provision_state": "clean wait"}),
        _state("node abort l1", "l1", "clean failed"),
        Row("node maintenance unset l1"),
        _state("node manage l1", "l1", "manageable"),
        _state("node adopt l1", "l1", "active"),
        Row("node deploy l1", refused='The requested action "deploy" can not be performed'),
        Row("node history list l1 --long", keeps="event"),
        Row("node history get l1 {event}", says="manageable"),
    ],
    "ports": [
        Row("node create --driver fake-hardware --name p1", keeps="p1"),
        _state("node manage p1", "p1", "manageable", power_state="power off"),  # volumes want it off
        Row(f"port group create --node {{p1}} --name pg1 --address {MAC.format(9)}",
            {"name": "pg1", "address": MAC.format(9)}, keeps="pg1"),
        Row("port group list", lists=("name", ["pg1"])),
        Row("port group set pg1 --extra a=b --mode 802.3ad"),
        Row("port group show pg1", {"extra": {"a": "b"}, "mode": "802.3ad"}),
        Row("port group unset pg1 --extra a"),
        Row("port group show pg1", {"extra": {}}),
        Row(f"port create {MAC.format(1)} --node {{p1}} --port-group {{pg1}} --name eth0",
            {"address": MAC.format(1), "portgroup_uuid": "{pg1}"}, keeps="port"),
        Row("port list --port-group pg1", lists=("address", [MAC.format(1)])),
        Row("port set {port} --extra a=b --category fast"),
        Row("port show {port}", {"extra": {"a": "b"}, "category": "fast"}),
        Row("port unset {port} --category --port-group"),
        Row("port show {port}", {"category": None, "portgroup_uuid": None}),
        Row(f"port create {MAC.format(1)} --node {{p1}}", refused=f"{MAC.format(1)} already exists"),
        Row("port delete {port}"),
        Row("port show {port}", refused="could not be found"),
        Row("port group delete pg1"),
        Row("port group show pg1", refused="could not be found"),
        Row(f"volume connector create --node {{p1}} --type iqn --connector-id iqn.2026-01.x:y --uuid {UUID.format(8)}",
            {"type": "iqn", "node_uuid": "{p1}"}, keeps="connector"),
        Row("volume connector list --node {p1}", lists=("connector_id", ["iqn.2026-01.x:y"])),
        Row("volume connector set {connector} --extra a=b"),
        Row("volume connector show {connector}", {"extra": {"a": "b"}}),
        Row("volume connector unset {connector} --extra a"),
        Row("volume connector show {connector}", {"extra": {}}),
        Row("volume connector delete {connector}"),
        Row("volume connector list --node {p1}", lists=("connector_id", [])),
        Row("volume target create --node {p1} --type iscsi --boot-index 0 --volume-id v1",
            {"volume_type": "iscsi", "boot_index": 0}, keeps="target"),
        Row("volume target list --node {p1} --long", lists=("volume_id", ["v1"])),
        Row("volume target set {target} --boot-index 1 --extra a=b"),
        Row("volume target show {target}", {"boot_index": 1, "extra": {"a": "b"}}),
        Row("volume target unset {target} --extra a"),
        Row("volume target show {target}", {"extra": {}}),
        Row("volume target delete {target}"),
        Row("volume target list --node {p1}", lists=("volume_id", [])),
    ],
    "records": [
        Row("chassis create --description row-1", {"description": "row-1"}, keeps="chassis"),
        Row("chassis list", lists=("description", ["row-1"])),
        Row("chassis set {chassis} --extra a=b"),
        Row("chassis show {chassis}", {"extra": {"a": "b"}}),
        Row("chassis unset {chassis} --extra a --description"),
        Row("chassis show {chassis}", {"extra": {}, "description": None}),
        Row("chassis delete {chassis}"),
        Row("chassis show {chassis}", refused="could not be found"),
        Row(f"deploy template create CUSTOM_T --steps '{STEPS}'", {"name": "CUSTOM_T"}),
        Row("deploy template list", lists=("name", ["CUSTOM_T"])),
        Row("deploy template set CUSTOM_T --extra a=b --name CUSTOM_U"),
        Row("deploy template show CUSTOM_U", {"extra": {"a": "b"}}),
        Row("deploy template unset CUSTOM_U --extra a"),
        Row("deploy template show CUSTOM_U", {"extra": {}}),
        Row("deploy template delete CUSTOM_U"),
        Row("deploy template show CUSTOM_U", refused="could not be found"),
        Row(f"runbook create --name book --steps '{ORDERED}' --public true", {"name": "book", "public": True}),
        Row("runbook list", lists=("name", ["book"])),
        Row("runbook set book --description words --extra a=b"),
        Row("runbook show book", {"description": "words", "extra": {"a": "b"}}),
        Row("runbook trait add book CUSTOM_A CUSTOM_B"),
        Row("runbook trait list book", lists=("traits", ["CUSTOM_A", "CUSTOM_B"])),
        Row("runbook trait remove book --all"),
        Row("runbook trait list book", lists=("traits", [])),
        Row("runbook unset book --extra a --description"),
        Row("runbook show book", {"description": None, "extra": {}}),
        Row("runbook delete book"),
        Row("runbook show book", refused="could not be found"),
        Row("""inspection rule create --description d --actions '[{"op": "fail", "args": {"msg": "no"}}]'""",
            {"description": "d", "priority": 0}, keeps="rule"),
        Row("inspection rule list", lists=("description", ["d"])),
        Row("inspection rule set {rule} --priority 7"),
        Row("inspection rule show {rule}", {"priority": 7}),
        Row("inspection rule unset {rule} --description"),
        Row("inspection rule show {rule}", {"description": None}),
        Row("inspection rule delete {rule}"),
        Row("inspection rule show {rule}", refused="could not be found"),
    ],
    "allocations": [
        Row("node create --driver fake-hardware --name a1 --resource-class chosen --no-automated-clean", keeps="a1"),
        _state("node manage a1", "a1", "manageable", power_state="power off"),
        _state("node provide a1", "a1", "available"),
        Row("allocation create --resource-class chosen --name al --wait 30", {"state": "active"}, keeps="al"),
        Row("allocation show al", {"node_uuid": "{a1}", "last_error": None}),
        Row("allocation list", lists=("name", ["al"])),
        Row("allocation set al --extra a=b --name other"),
        Row("allocation unset other --extra a"),
        Row("allocation show other", {"extra": {}}),
        Row("allocation delete other"),
        Row("allocation show other", refused="could not be found"),
        Row("allocation create --resource-class none-such --wait 30", refused="none-such"),
    ],
    "service": [
        Row("driver list --long", lists=("name", ["fake-hardware", "ipmi", "redfish"])),
        Row("driver show fake-hardware", {"default_power_interface": "fake"}),
        Row("driver property list ipmi", says="ipmi_address"),
        Row("driver raid property list fake-hardware", says="raid_level"),
        Row("driver passthru list fake-hardware", lists=("name", [])),
        Row("driver passthru call fake-hardware bogus", refused="bogus"),
        Row("conductor list --long -f json", says="fake-hardware", keeps="conductor"),
        Row("conductor show {conductor}", {"alive": True}),
    ],
    "files": [
        Row("create {file}"),
        Row("node show from-file", {"driver": "fake-hardware"}),
        Row("port list --node from-file", lists=("address", [MAC.format(77)])),
    ],
}  # fmt: skip
