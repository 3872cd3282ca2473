"""Rules about what Ironic does not have and what is about many nodes: operations, webhooks, artifacts, events."""

from __future__ import annotations

from .rule import Rule


def _own(kind: str, role: str) -> str:
    """Of the system, or of the project that it belongs to."""
    system = "reader" if role == "reader" else "member"
    mine = f"project_id:%({kind}.owner)s"
    return f"rule:system_{system} or (role:{role} and {mine}) or (role:service and {mine})"


FLEET = (
    Rule("baremetal:operation:list", "rule:lists", "list the group operations of the caller's project"),
    Rule("baremetal:operation:list_all", "rule:system_reader", "list all group operations"),
    Rule("baremetal:operation:get", _own("operation", "reader"),
         "see a group operation; without it, it is not there (404)"),
    Rule("baremetal:operation:create", "rule:system_member or role:member or role:service",
         "begin a group operation; the rules of its verb are asked for each node"),
    Rule("baremetal:operation:update", _own("operation", "member"), "retry and abort a group operation"),
    Rule("baremetal:webhook:list", "rule:lists", "list the webhooks of the caller's project"),
    Rule("baremetal:webhook:list_all", "rule:system_reader", "list all webhooks"),
    Rule("baremetal:webhook:get", _own("webhook", "reader"),
         "see a webhook and its deliveries; without it, it is not there (404)"),
    Rule("baremetal:webhook:create", "rule:system_member or role:manager or role:service",
         "create a webhook; a project's tells of its own nodes"),
    Rule("baremetal:webhook:update", _own("webhook", "manager"), "change and test a webhook, deliver again"),
    Rule("baremetal:webhook:delete", _own("webhook", "manager"), "delete a webhook"),
    Rule("baremetal:artifact:get", "rule:system_reader", "see what boot has and fetches: kernels, ramdisks, images"),
    Rule("baremetal:artifact:create", "rule:system_member", "have boot fetch something, from internal addresses too"),
    Rule("baremetal:artifact:delete", "rule:system_member", "remove what no node needs from boot's folder"),
    Rule("baremetal:event:stream", "rule:lists", "follow the events of the nodes that the caller may see"),
)  # fmt: skip
