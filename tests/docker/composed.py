"""``docker compose up`` without an engine: each service in namespaces of its own, on the networks of the compose file.

Runs in a namespace of users, networks and processes that `tests.docker.check_pipeline` makes; everything ends with it.
Reads one JSON object: ``services`` of the model, ``folder`` for volumes, ``roots`` by target, ``collector``. A bridge
stands for each network, a pair of virtual interfaces for each connection to one, a file of hosts for the name server.
Prints what reached the sink, and who reached whom.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.docker.dockerfile import Config, configuration, parse
from tests.docker.service import as_service, collector_root, command_of

SECONDS = 120
WANTED = 20


class Composed:
    """The services of one compose file."""

    def __init__(self, given: dict[str, Any]) -> None:
        self.services: dict[str, Any] = given["services"]
        self.folder = Path(given["folder"])
        self._roots = {target: Path(root) for target, root in given["roots"].items()}
        self._roots["collector"] = collector_root(self.folder / "collector", Path(given["collector"]))
        self._stages = parse()
        self._holders: dict[str, subprocess.Popen[bytes]] = {}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        networks = sorted({network for service in self.services.values() for network in service["networks"]})
        self.addresses = {
            (name, network): f"10.77.{networks.index(network)}.{number + 2}"
            for number, name in enumerate(sorted(self.services))
            for network in self.services[name]["networks"]
        }
        for network in networks:
            ip("link", "add", network, "type", "bridge")
            ip("link", "set", network, "up")

    def connect(self, name: str) -> None:
        """Give service *name* a namespace, and an interface on each of its networks."""
        # It says a word when it is in its namespace: before that, its interface would come into ours.
        holder = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", "echo; exec sleep 600"], stdout=subprocess.PIPE, bufsize=0
        )
        assert holder.stdout is not None
        holder.stdout.read(1)
        self._holders[name] = holder
        self.inside(name, ["ip", "link", "set", "lo", "up"])
        for number, network in enumerate(sorted(self.services[name]["networks"])):
            outer = f"v{len(self._holders)}-{number}"
            ip("link", "add", outer, "type", "veth", "peer", "name", f"eth{number}", "netns", str(holder.pid))
            ip("link", "set", outer, "master", network, "up")
            address = f"{self.addresses[name, network]}/24"
            self.inside(name, ["ip", "address", "add", address, "dev", f"eth{number}"])
            self.inside(name, ["ip", "link", "set", f"eth{number}", "up"])

    def line(self, name: str, command: Sequence[str]) -> list[str]:
        """Return the command line that runs *command* where service *name* runs."""
        service = self.services[name]
        known = as_service(
            service, self.config(name), self._roots[service["build"]["target"]], self.folder, command,
            hosts=self._hosts(name), network=True,
        )  # fmt: skip
        return [*self._enter(name), *known]

    def config(self, name: str) -> Config:
        """Return what the image of service *name* says of its process."""
        target = self.services[name]["build"]["target"]
        config = configuration(self._stages, target)
        if target == "collector":
            config.entrypoint = ("/otelcol",)  # of the image that ours is made from
        return config

    def start(self, name: str) -> None:
        """Start service *name* after those it depends on, and wait for those that it wants healthy."""
        if name in self._processes:
            return
        for other, wait in self.services[name].get("depends_on", {}).items():
            self.start(other)
            if wait["condition"] == "service_healthy":
                until(lambda other=other: self.healthy(other), f"health of {other}")
        log = (self.folder / f"{name}.log").open("wb")
        command = self.line(name, command_of(self.services[name], self.config(name)))
        self._processes[name] = subprocess.Popen(command, stdout=log, stderr=log)

    def healthy(self, name: str) -> bool:
        """Whether the health check of service *name* says yes."""
        own = self.services[name].get("healthcheck", {}).get("test", ["CMD"])[1:]
        check = self.line(name, own or self.config(name).healthcheck)
        return subprocess.run(check, capture_output=True, check=False).returncode == 0

    def running(self) -> list[str]:
        """Return the services whose process is there."""
        return [name for name, process in self._processes.items() if process.poll() is None]

    def reaches(self, name: str, other: str, port: int) -> bool:
        """Whether service *name* can connect to *other* at any of its addresses."""
        code = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 2)"
        addresses = [address for (service, _), address in self.addresses.items() if service == other]
        tries = [["/usr/local/bin/python", "-c", code, address, str(port)] for address in addresses]
        lines = [self.line(name, command) for command in tries]
        return any(subprocess.run(line, capture_output=True, check=False).returncode == 0 for line in lines)

    def inside(self, name: str, command: Sequence[str]) -> None:
        """Run *command* on the network of service *name*."""
        subprocess.run([*self._enter(name), *command], check=True)

    def _enter(self, name: str) -> list[str]:
        return ["nsenter", "--net", "--target", str(self._holders[name].pid), "--"]

    def _hosts(self, name: str) -> str:
        lines = ["127.0.0.1 localhost"]
        for network in self.services[name]["networks"]:
            for other, service in self.services.items():
                if network in service["networks"]:
                    aliases = (service["networks"][network] or {}).get("aliases") or []
                    lines.append(" ".join([self.addresses[other, network], other, *aliases]))
        return "\n".join(lines) + "\n"


def ip(*words: str) -> None:
    """Run ``ip``."""
    subprocess.run(["ip", *words], check=True)


def until(true: Any, what: str) -> None:
    """Wait for *true*, or end with the words of what was waited for."""
    end = time.monotonic() + SECONDS
    while not true():
        if time.monotonic() > end:
            sys.exit(f"{what} did not come about in {SECONDS} s")
        time.sleep(0.2)


def main() -> None:
    composed = Composed(json.load(sys.stdin))
    requests = composed.folder / "sink-requests" / "requests" / "requests.jsonl"

    def received() -> list[dict[str, Any]]:
        whole = requests.read_text().rpartition("\n")[0] if requests.exists() else ""
        return [json.loads(line) for line in whole.splitlines()]

    for name in composed.services:
        composed.connect(name)
    for name in composed.services:
        composed.start(name)
    until(lambda: sum(line["accepted"] for line in received()) >= WANTED, f"{WANTED} uses at the sink")
    lines = received()
    ports = {"agent": 4318, "entry": 4318, "translator-1": 4317, "gateway-1": 4318, "sink": 4319}
    told = {
        "running": composed.running(),
        "healthy": [name for name in ("app", "gateway-1", "gateway-2", "sink") if composed.healthy(name)],
        "paths": sorted({line["path"] for line in lines}),
        "refused": [line["answer"] for line in lines if not line["accepted"]],
        "keys": [line["key"] for line in lines],
        "app reaches": [name for name, port in ports.items() if composed.reaches("app", name, port)],
        "translator-1 reaches": [name for name, port in ports.items() if composed.reaches("translator-1", name, port)],
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
