"""Recorded calls of the ACCESS-NRI client, made with the original and with the facade in its place."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import footfall
from footfall.facade.access.api import ApiHandler, ProductionToggle
from footfall.facade.access.decorators import register_func
from footfall.facade.access.registry import TelemetryRegister
from footfall.testing.sink.client import Received, Sink
from tests.facade import accesscatalog
from tests.process.harness import GUARD_SECONDS
from tests.wire.accessrecorded import VECTORS, real

CLOSED_PORT = "9"
"""Of this machine: the discard service, which nobody runs."""

TOKEN = "canary-c0ffee"

SEND = "ApiHandler().send_api_request"
FAILURE = "ApiHandler().send_failure_api_request"
IN_LOOP = (SEND + " (inside a running event loop)", SEND + " (inside an event loop that ends at once)")
DECORATED = '@register_func("intake_catalog") def my_func(*args, **kwargs)'
CELL = "IPython cell"


def call_of(name: str, sink: Sink) -> dict[str, Any]:
    """The call of a recording, with the sink in place of the recorder."""
    text = json.dumps(VECTORS[name]["call"]).replace("<HOST>", "127.0.0.1").replace("<PORT>", str(sink.port))
    call: dict[str, Any] = json.loads(text.replace("<CLOSED_PORT>", CLOSED_PORT).replace("<TOKEN>", TOKEN))
    return call


def configure(config: dict[str, Any]) -> None:
    """Configure the facade as a recording was."""
    handler = ApiHandler()
    ProductionToggle().production = config["production"]
    handler.server_url = config["server_url"]
    if "request_timeout" in config:
        handler.request_timeout = config["request_timeout"]
    for service, fields in config.get("extra_fields", {}).items():
        handler.add_extra_fields(service, fields)
    for fields in config.get("extra_fields calls", ()):
        handler.add_extra_fields("intake_catalog", fields)
    for service, names in config.get("remove_fields", {}).items():
        handler.remove_fields(service, names)
    for service, headers in config.get("headers", {}).items():
        handler.set_headers(None if service == "*" else service, headers)


def make(call: dict[str, Any]) -> Any:
    """Make a recorded call with the facade; return what it returned."""
    function, args = call["function"], real(call["args"])
    if function == SEND:
        return ApiHandler().send_api_request(*args)
    if function == FAILURE:
        return ApiHandler().send_failure_api_request(*args)
    if function in IN_LOOP:
        return asyncio.run(_in_loop(args))
    if function == DECORATED:

        @register_func("intake_catalog", pop_fields=call["config"].get("pop_fields"))
        def my_func(*args: Any, **kwargs: Any) -> str:
            return "result"

        return my_func(*args, **real(call["kwargs"]))
    assert function == CELL
    return {"cell_succeeded": run_cell(args[0])}


async def _in_loop(args: list[Any]) -> None:
    ApiHandler().send_api_request(*args)


def run_cell(source: str) -> bool:
    """Run the source of a cell, but for its magic lines, where the catalogue's functions are registered."""
    catalogue: list[Callable[..., Any]] = [
        accesscatalog.esm_datastore.search,
        accesscatalog.DfFileCatalog.search,
        accesscatalog.DfFileCatalog.__getitem__,
    ]
    TelemetryRegister("intake_catalog").register(*catalogue)
    namespace = {"cat": accesscatalog.DfFileCatalog(), "ds": accesscatalog.esm_datastore(), "name": "tas", "zero": 0}
    with suppress(SyntaxError):
        exec("\n".join(line for line in source.splitlines() if not line.startswith("%")), namespace)
        return True
    return False


def requests_after(sink: Sink, before: int) -> list[Received]:
    """What the sink received since it had *before* requests, once all is delivered that can be."""
    footfall.drain(10.0)
    return sink.requests()[before:]


# Makes each call as the recording says, in one process, and prints what came of each. The client says what it does on
# standard output, and leaves tracebacks of its children on standard error.
_ORIGINAL = """
import asyncio, json, os, sys
from contextlib import redirect_stdout
from pathlib import Path
from access_py_telemetry.api import ApiHandler, ProductionToggle
import access_py_telemetry.api as api
from access_py_telemetry.decorators import register_func
from footfall.testing.sink.client import read_requests
from tests.facade.accesshelp import DECORATED, IN_LOOP, SEND
from tests.wire.accessrecorded import real
directory, calls = json.load(sys.stdin)
handler, said = ApiHandler(), {}
async def in_loop(args, wait):
    handler.send_api_request(*args)
    if wait:
        await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}))
for name, call in calls.items():
    for variable, value in call["env"].items():
        os.environ.pop(variable, None)
        if value is not None:
            os.environ[variable] = value
    config, args = call["config"], real(call["args"])
    handler._extra_fields, handler._pop_fields = {service: {} for service in handler.endpoints}, {}
    handler.clear_headers()
    api.SessionID._instance = config["session_id"]
    ProductionToggle().production = config["production"]
    handler.server_url = config["server_url"]
    for service, fields in config.get("extra_fields", {}).items():
        handler.add_extra_fields(service, fields)
    for fields in config.get("extra_fields calls", ()):
        handler.add_extra_fields("intake_catalog", fields)
    for service, fields in config.get("remove_fields", {}).items():
        handler.remove_fields(service, fields)
    for service, headers in config.get("headers", {}).items():
        handler.set_headers(None if service == "*" else service, headers)
    before, outcome = len(read_requests(Path(directory))), {}
    with redirect_stdout(sys.stderr):
        try:
            if call["function"] == SEND:
                handler.send_api_request(*args)
            elif call["function"] in IN_LOOP:
                asyncio.run(in_loop(args, wait="at once" not in call["function"]))
            else:
                def my_func(*args, **kwargs):
                    return "result"
                decorated = register_func("intake_catalog", pop_fields=config.get("pop_fields"))(my_func)
                outcome["returned"] = decorated(*args, **real(call["kwargs"]))
        except Exception as error:
            outcome["raised"] = type(error).__name__
    received = read_requests(Path(directory))[before:]
    outcome["sent"] = [[each.path, json.loads(each.body)] for each in received]
    said[name] = outcome
print(json.dumps(said))
"""


def original_calls(sink: Sink, directory: Path, names: list[str]) -> dict[str, dict[str, Any]]:
    """Make recorded calls with access-py-telemetry 0.3.0, now; return what each raised or returned, and sent."""
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "LANG", "FOOTFALL_SHARED"}}
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _ORIGINAL],
        input=json.dumps([str(sink.directory), {name: call_of(name, sink) for name in names}]),
        env={**kept, "HOME": str(directory), "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        timeout=2 * GUARD_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said: dict[str, dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return said
