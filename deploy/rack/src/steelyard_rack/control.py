"""The control API of the rack: JSON over HTTP on loopback, for the command line and for tests.

It answers without credentials and tells the BMCs' passwords; so it listens on loopback only.
"""

import ipaddress
import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from .faults import MEANINGS, BadFault
from .rack import NoSuchMachine, Rack
from .shelf import SIZES
from .views import machine_view, node_view, rack_view

_RACK = web.AppKey("rack", Rack)
_TRUE = ("1", "true")
_PRESSES = ("on", "off", "press", "pull")


def control_app(rack: Rack) -> web.Application:
    """The control API; the routes are its table of contents."""
    app = web.Application(middlewares=[_errors])
    app[_RACK] = rack
    app.router.add_get("/", _about)
    app.router.add_get("/machines", _machines)
    app.router.add_get("/machines/{name}", _machine)
    app.router.add_patch("/machines/{name}/faults", _set_faults)
    app.router.add_delete("/machines/{name}/faults", _clear_faults)
    app.router.add_post("/machines/{name}/power", _power)
    app.router.add_patch("/faults", _set_many)
    app.router.add_get("/faults", _kinds_of_faults)
    app.router.add_delete("/faults", _clear_all)
    app.router.add_get("/nodes", _nodes)
    app.router.add_get("/record", _record)
    app.router.add_get("/record/power", _record_of_power)
    app.router.add_delete("/record", _clear_record)
    app.router.add_post("/renew", _renew)
    app.router.add_get("/files", _files)
    app.router.add_get("/files/{name}", _file)
    return app


def check_loopback(host: str) -> None:
    """Raises ValueError for an address others can reach."""
    if not ipaddress.ip_address(host).is_loopback:
        raise ValueError(f"the control API listens on loopback only, not on {host}")


@web.middleware
async def _errors(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except NoSuchMachine as error:
        return web.json_response({"error": f"there is no machine '{error.args[0]}'"}, status=404)
    except (BadFault, ValueError) as error:
        return web.json_response({"error": str(error)}, status=400)


async def _json(request: web.Request) -> dict[str, Any]:
    body = json.loads(await request.text() or "{}")
    if not isinstance(body, dict):
        raise ValueError("the body is not a JSON object")
    return body


async def _about(request: web.Request) -> web.Response:
    return web.json_response(rack_view(request.app[_RACK]))


async def _machines(request: web.Request) -> web.Response:
    rack = request.app[_RACK]
    return web.json_response({"machines": [machine_view(rack, unit) for unit in rack.units.values()]})


async def _machine(request: web.Request) -> web.Response:
    rack = request.app[_RACK]
    return web.json_response(machine_view(rack, rack.unit(request.match_info["name"])))


async def _nodes(request: web.Request) -> web.Response:
    rack = request.app[_RACK]
    return web.json_response({"nodes": [node_view(rack, unit, i) for i, unit in enumerate(rack.units.values())]})


async def _set_faults(request: web.Request) -> web.Response:
    faults = await request.app[_RACK].set_faults(request.match_info["name"], await _json(request))
    return web.json_response(faults.active())


async def _clear_faults(request: web.Request) -> web.Response:
    await request.app[_RACK].clear_faults([request.match_info["name"]])
    return web.Response(status=204)


async def _set_many(request: web.Request) -> web.Response:
    rack, body = request.app[_RACK], await _json(request)
    names, faults = body.get("machines"), body.get("faults")
    if not isinstance(names, list) or not isinstance(faults, dict):
        raise ValueError("give 'machines' (a list of names) and 'faults' (an object)")
    for name in names:
        await rack.set_faults(str(name), faults)
    return web.json_response({"changed": len(names)})


async def _clear_all(request: web.Request) -> web.Response:
    rack = request.app[_RACK]
    await rack.clear_faults(list(rack.units))
    return web.Response(status=204)


async def _kinds_of_faults(_request: web.Request) -> web.Response:
    return web.json_response(MEANINGS)


async def _power(request: web.Request) -> web.Response:
    """As somebody at the rack does it: press the button, pull the cord, or have it on or off at once."""
    rack, body = request.app[_RACK], await _json(request)
    unit, now = rack.unit(request.match_info["name"]), rack.clock()
    action = body.get("action")
    if action not in _PRESSES:
        raise ValueError(f"'action' is one of {', '.join(_PRESSES)}")
    if action == "press":
        unit.machine.press_button(now)
    elif action == "on":
        unit.machine.start_at_once(now)
    else:
        unit.machine.pull_power(now)
    return web.json_response(machine_view(rack, unit))


async def _record(request: web.Request) -> web.Response:
    rack, query = request.app[_RACK], request.query
    entries = rack.record.entries(
        query.get("machine"),
        since=float(query.get("since", 0)),
        after=int(query.get("after", 0)),
        only_writes=query.get("writes", "") in _TRUE,
    )
    return web.json_response(
        {"entries": [entry.as_json() for entry in entries], "last_number": rack.record.last_number}
    )


async def _record_of_power(request: web.Request) -> web.Response:
    refused_too = request.query.get("refused", "") in _TRUE
    return web.json_response(request.app[_RACK].record.power_actions(refused_too=refused_too))


async def _renew(request: web.Request) -> web.Response:
    await request.app[_RACK].renew()
    return web.Response(status=204)


async def _files(request: web.Request) -> web.Response:
    """What can be deployed here without any other source: name → size and sum."""
    shelf = request.app[_RACK].shelf
    files = [file for name in SIZES if (file := shelf.find(name)) is not None]
    return web.json_response({file.name: {"bytes": len(file.content), "sha256": file.sha256} for file in files})


async def _file(request: web.Request) -> web.Response:
    file = request.app[_RACK].shelf.find(request.match_info["name"])
    if file is None:
        return web.json_response({"error": "there is no such file"}, status=404)
    return web.Response(body=file.content, content_type="application/octet-stream")


async def _clear_record(request: web.Request) -> web.Response:
    request.app[_RACK].record.clear()
    return web.Response(status=204)
