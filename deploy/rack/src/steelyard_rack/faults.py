"""What can be wrong with a simulated machine, and with the BMC in front of it.

Every field is one fault; its default means "healthy". Several may be on at once. A fault that belongs to the BMC
(``BMC_FAULTS``) holds for every system behind that BMC.
"""

from dataclasses import asdict, dataclass, fields, replace

TLS_CHOICES = ("", "self-signed", "none")
LIE_CHOICES = ("", "stale", "inverted", "On", "Off")
HEALTH_CHOICES = ("", "Warning", "Critical")
TOKEN_CHOICES = ("", "wrong", "replayed")


class BadFault(ValueError):
    """No such fault, or not a value it can have."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Faults:
    """The faults of one machine; the meaning of each stands in ``MEANINGS``."""

    latency_s: float = 0.0
    late_answer_s: float = 0.0
    hang: bool = False
    dead: bool = False
    http_error: int = 0
    tls: str = ""
    wrong_credentials: bool = False
    session_limit: int = -1
    split_boot_patch: bool = False
    whole_boot_patch: bool = False
    refuse_same_power: bool = False
    cipher_3_only: bool = False
    lie_about_power: str = ""
    flapping_s: float = 0.0
    ignore_soft_off: bool = False
    drop_power: bool = False
    slow_power: float = 1.0
    health: str = ""
    no_network: bool = False
    agent_silent: bool = False
    agent_dies: str = ""
    agent_fails: str = ""
    agent_lacks: str = ""
    installer_fails: str = ""
    agent_token: str = ""
    agent_of: str = ""
    slow_agent: float = 1.0

    def active(self) -> dict[str, object]:
        """The faults that are on: name → value."""
        return {name: value for name, value in asdict(self).items() if value != getattr(HEALTHY, name)}


HEALTHY = Faults()

MEANINGS = {
    "latency_s": "every answer comes this many seconds late",
    "late_answer_s": "a Redfish change is made at once and answered this many seconds late",
    "hang": "connections and packets are accepted and never answered",
    "dead": "Redfish connections are refused, IPMI packets go unanswered",
    "http_error": "every Redfish request is answered with this 5xx status; IPMI answers 'node busy'",
    "tls": "the Redfish port shows a self-signed certificate, or speaks plain HTTP ('none')",
    "wrong_credentials": "no name and password are good enough",
    "session_limit": "at most so many sessions at a time, Redfish and IPMI each (-1: the usual 16)",
    "split_boot_patch": "a PATCH with boot mode and boot target together is refused with 400",
    "whole_boot_patch": "a PATCH of the boot target without mode and enabled is refused with 400",
    "refuse_same_power": "asking for the power state the machine is in already is refused with 409",
    "cipher_3_only": "IPMI knows cipher suite 3 only; 17 is refused",
    "lie_about_power": "the BMC reports a stale, inverted or fixed power state",
    "flapping_s": "the machine changes its power by itself every so many seconds",
    "ignore_soft_off": "the operating system ignores graceful shutdown and restart",
    "drop_power": "power commands are accepted and nothing happens",
    "slow_power": "power changes take so many times longer",
    "health": "the machine reports this health",
    "no_network": "the machine gets no address: it cannot boot over the network",
    "agent_silent": "the ramdisk boots and its agent calls nobody",
    "agent_dies": "the agent dies as it begins this step or command (write_image …), or at a 'heartbeat'",
    "agent_fails": "this step or command of the agent fails with a text: STEP=TEXT",
    "agent_lacks": "the ramdisk's agent does not offer this step (kexec_instance …)",
    "installer_fails": "the installer (Anaconda) fails with this text",
    "agent_token": "the agent calls with a 'wrong' token, or with the 'replayed' one of the boot before",
    "agent_of": "the agent says that it is that of this other machine",
    "slow_agent": "what the agent does takes so many times longer",
}

BMC_FAULTS = frozenset(
    {
        "latency_s",
        "late_answer_s",
        "hang",
        "dead",
        "http_error",
        "tls",
        "wrong_credentials",
        "session_limit",
        "split_boot_patch",
        "whole_boot_patch",
        "refuse_same_power",
        "cipher_3_only",
    }
)

_CHOICES = {"tls": TLS_CHOICES, "lie_about_power": LIE_CHOICES, "health": HEALTH_CHOICES, "agent_token": TOKEN_CHOICES}
_KINDS = {field.name: type(getattr(HEALTHY, field.name)) for field in fields(Faults)}
_LIMITS = {
    "latency_s": (0, 3600),
    "late_answer_s": (0, 3600),
    "http_error": (500, 599),
    "session_limit": (-1, 1000),
    "flapping_s": (0.05, 86400),
    "slow_power": (0.01, 1000),
    "slow_agent": (0.01, 100_000),
}


def changed(faults: Faults, changes: dict[str, object]) -> Faults:
    """``faults`` with the changes in; a value of None puts that fault back to healthy. Raises BadFault."""
    values = {name: _checked(name, value) for name, value in changes.items()}
    return replace(faults, **values)  # type: ignore[arg-type]  # each value was checked against its field


def _checked(name: str, value: object) -> object:
    if name not in _KINDS:
        raise BadFault(f"there is no fault '{name}'; there are {', '.join(sorted(_KINDS))}")
    if value is None or value == getattr(HEALTHY, name):
        return getattr(HEALTHY, name)
    kind = _KINDS[name]
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        raise BadFault(f"fault '{name}' takes a value of type {kind.__name__}")
    if name in _CHOICES and value not in _CHOICES[name]:
        raise BadFault(f"fault '{name}' is one of {', '.join(filter(None, _CHOICES[name]))}")
    if name in _LIMITS and isinstance(value, int | float):
        low, high = _LIMITS[name]
        if not low <= value <= high:
            raise BadFault(f"fault '{name}' lies between {low} and {high}")
    return value


def parsed(name: str, text: str) -> object:
    """A fault's value from the command line. Raises BadFault."""
    if name not in _KINDS:
        return _checked(name, text)
    kind = _KINDS[name]
    if kind is bool:
        words = {"": True, "on": True, "true": True, "yes": True, "off": False, "false": False, "no": False}
        if text.lower() not in words:
            raise BadFault(f"fault '{name}' is on or off")
        return words[text.lower()]
    try:
        return kind(text)
    except ValueError as error:
        raise BadFault(f"fault '{name}' takes a number") from error
