"""Who there is in the Keystone of these tests, and the tokens they get."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from keystoneauth1.identity import v3
from keystoneauth1.session import Session

from .real_keystone import Keystone

PASSWORD = "correct horse battery staple"
# user → its roles: (role, place); the place is a project, `system` or `domain`
ROLES = {
    "ann": [("manager", "tenant"), ("reader", "domain")],
    "bob": [("member", "tenant")],
    "carl": [("member", "tenant")],
    "root": [("admin", "system")],
    "nova": [("service", "service")],
    "steelyard": [("service", "service")],
}


@dataclass(kw_only=True)
class People:
    """``ids``: of users and projects, by name."""

    keystone: Keystone
    admin: Session
    ids: dict[str, str] = field(default_factory=dict)

    @classmethod
    def settle(cls, keystone: Keystone) -> People:
        account = v3.Password(
            auth_url=keystone.url, username="admin", password=keystone.password, project_name="admin",
            user_domain_name="Default", project_domain_name="Default",
        )  # fmt: skip
        people = cls(keystone=keystone, admin=Session(auth=account, timeout=30))
        roles = {role["name"]: role["id"] for role in people._call("GET", "/roles")["roles"]}
        for name in ("tenant", "service"):
            people.ids[name] = people._call("POST", "/projects", {"project": {"name": name}})["project"]["id"]
        for name, held in ROLES.items():
            user = {"name": name, "password": PASSWORD}
            people.ids[name] = people._call("POST", "/users", {"user": user})["user"]["id"]
            for role, place in held:
                at = {"system": "/system", "domain": "/domains/default"}.get(place) or f"/projects/{people.ids[place]}"
                people._call("PUT", f"{at}/users/{people.ids[name]}/roles/{roles[role]}")
        return people

    def token(self, user: str, *, project: str = "", system: bool = False, domain: bool = False) -> str:
        account = v3.Password(
            auth_url=self.keystone.url, username=user, password=PASSWORD, user_domain_name="Default",
            project_id=self.ids[project] if project else None, system_scope="all" if system else None,
            domain_id="default" if domain else None, unscoped=not (project or system or domain),
        )  # fmt: skip
        token = Session(timeout=30).get_token(account)
        assert token
        return token

    def revoke(self, token: str) -> None:
        self.admin.delete(f"{self.keystone.url}/auth/tokens", headers={"X-Subject-Token": token})

    def disable(self, user: str) -> None:
        self._call("PATCH", f"/users/{self.ids[user]}", {"user": {"enabled": False}})

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        answer = self.admin.request(self.keystone.url + path, method, json=body)
        return answer.json() if answer.content else None
