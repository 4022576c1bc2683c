"""The compose files are understood by Compose's own library, and hold what they say, with Kafka and without."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.docker.composition import COMPOSE, KAFKA, checked, collectors, configurations, environment, services_of
from tests.docker.dockerfile import DOCKER, DOCKERFILE, ROOT, configuration, parse

STAGES = parse()


@pytest.fixture(scope="module", params=[(COMPOSE,), (COMPOSE, KAFKA)], ids=["plain", "kafka"])
def model(request: pytest.FixtureRequest) -> dict[str, Any]:
    done = checked(*request.param)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def services(model: dict[str, Any]) -> dict[str, Any]:
    return model["services"]


@pytest.mark.parametrize(
    ("place", "replacement", "complaint"),
    [
        ("condition: service_healthy", "condition: service_happy", "service_healthy"),
        ("depends_on: {sink:", "depends_on: {drain:", 'undefined service "drain"'),
        ("sink-requests:/var", "sink-request:/var", "undefined volume sink-request"),
        ("networks: [servers]", "networks: [server]", "undefined network server"),
        ("read_only: true", "read_onyl: true", "read_onyl"),
    ],
)
def test_the_check_sees_mistakes(tmp_path: Path, place: str, replacement: str, complaint: str) -> None:
    """Else the other tests of this file would show nothing."""
    text = COMPOSE.read_text(encoding="utf-8")
    assert place in text
    wrong = tmp_path / "compose.yaml"
    wrong.write_text(text.replace(place, replacement), encoding="utf-8")
    done = checked(wrong)
    assert done.returncode == 1
    assert complaint in done.stderr


def test_nobody_is_root_and_nothing_is_writable_but_volumes(services: dict[str, Any]) -> None:
    """The same for each service, ours or not."""
    for name, service in services.items():
        user, _, group = service["user"].partition(":")
        assert int(user) > 0, name
        assert int(group) > 0, name
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert "cap_add" not in service, name
        assert "privileged" not in service, name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["pids_limit"] > 0, name
        assert int(service["mem_limit"]) > 0, name


def test_every_process_is_stopped_as_it_should_be(services: dict[str, Any]) -> None:
    """As first process Python would ignore SIGTERM, and be killed after the grace period."""
    assert [name for name, service in services.items() if service["init"] is not True] == []


def test_images_have_versions(services: dict[str, Any]) -> None:
    """None is whatever is newest today."""
    for name, service in services.items():
        assert re.fullmatch(r"[\w./-]+:\d[\w.-]*(@sha256:[0-9a-f]{64})?", service["image"]), name


def test_images_are_built_from_stages_that_are_there(services: dict[str, Any]) -> None:
    """And run as the user that they are made for, which owns the volumes."""
    built = {name: service for name, service in services.items() if "build" in service}
    assert set(services) - set(built) <= {"kafka"}
    for name, service in built.items():
        assert Path(service["build"]["context"]) == ROOT
        assert ROOT / service["build"]["dockerfile"] == DOCKERFILE
        assert configuration(STAGES, service["build"]["target"]).user == service["user"], name


def test_who_is_waited_for_can_say_that_it_is_healthy(services: dict[str, Any]) -> None:
    """A health check is in the service or in the image; every service but Collectors has one."""
    healthy = {name for name, service in services.items() if "healthcheck" in service} | {
        name
        for name, service in services.items()
        if "build" in service and configuration(STAGES, service["build"]["target"]).healthcheck
    }
    without = set(services) - healthy
    assert without == set(collectors(services))
    for service in services.values():
        for name, wait in service.get("depends_on", {}).items():
            assert wait["condition"] == ("service_healthy" if name in healthy else "service_started")


def test_only_the_agent_is_reached_from_outside_and_only_from_this_machine(services: dict[str, Any]) -> None:
    """OTLP has no authentication here."""
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert set(published) == {"agent"}
    assert {port["host_ip"] for port in published["agent"]} == {"127.0.0.1"}


def test_the_networks_between_tiers_have_no_way_out(model: dict[str, Any]) -> None:
    """The demo reaches the sink and nothing else."""
    assert {name for name, network in model["networks"].items() if network.get("internal")} == {"core", "servers"}
    for name, service in model["services"].items():
        assert "edge" not in service["networks"] or name in {"app", "agent"}


def test_every_state_directory_has_one_owner(services: dict[str, Any]) -> None:
    """Two couriers on one outbox would wait for each other."""
    owners: dict[str, list[str]] = {}
    for name, service in services.items():
        for mount in service.get("volumes", []):
            if mount["type"] == "volume":
                owners.setdefault(mount["source"], []).append(name)
    assert {volume: names for volume, names in owners.items() if len(names) > 1} == {}
    for name in services:
        assert [name] in owners.values(), f"{name} keeps its state in a container that is thrown away"


def test_files_that_are_mounted_are_there_and_read_only(services: dict[str, Any]) -> None:
    """An engine makes a directory of a missing file, and the process then fails in its own words."""
    binds = [mount for service in services.values() for mount in service.get("volumes", []) if mount["type"] == "bind"]
    assert binds
    for mount in binds:
        assert Path(mount["source"]).exists(), mount["source"]
        assert mount["read_only"] is True


def test_every_host_that_is_named_is_on_a_shared_network(services: dict[str, Any]) -> None:
    """In variables, and in the configuration of the gateways: services, or names that several services answer to."""
    networks: dict[str, set[str]] = {}
    for name, service in services.items():
        for network, options in service["networks"].items():
            for known_as in (name, *((options or {}).get("aliases") or ())):
                networks.setdefault(known_as, set()).add(network)
    for name, service in services.items():
        named = hosts(environment(service).values())
        if service["image"].startswith("footfall-gateway"):
            named |= hosts([(DOCKER / "gateway.yaml").read_text(encoding="utf-8")])
        named.add(environment(service).get("COLLECTOR_TRANSLATORS", name))
        for host in named:
            assert networks.get(host, set()) & networks[name], f"{name} cannot reach {host}"


def hosts(texts: Iterable[str]) -> set[str]:
    """Return the hosts of URLs and of Kafka's brokers in *texts*, this machine's own left out."""
    found = re.findall(r"(?:https?://|PLAINTEXT://|^)([a-z][a-z0-9-]*):\d+", "\n".join(texts), re.MULTILINE)
    return set(found) - {"localhost"}


def test_two_translators_share_a_name_and_each_feeds_a_gateway_of_its_own(services: dict[str, Any]) -> None:
    """Two gateways behind one translator would be two books of the same session."""
    fed = {environment(each)["COLLECTOR_FOOTFALL"] for name, each in services.items() if name.startswith("translator")}
    assert fed == {"http://gateway-1:4318", "http://gateway-2:4318"}
    shared = environment(services["entry"])["COLLECTOR_TRANSLATORS"]
    for name in ("translator-1", "translator-2"):
        assert services[name]["networks"]["core"]["aliases"] == [shared]


def test_every_variable_of_a_collector_is_one_that_its_configuration_reads(services: dict[str, Any]) -> None:
    """A misspelt one would be passed over in silence, and the default taken."""
    for name, service in collectors(services).items():
        text = "\n".join(path.read_text(encoding="utf-8") for path in configurations(service))
        for variable in environment(service):
            assert f"${{env:{variable}:-" in text, f"{name} sets {variable}, which nothing reads"
        for variable, default in re.findall(r"\$\{env:(\w+)(:-)?", text):
            assert default or variable in environment(service), f"{name} needs {variable}"


def test_who_needs_the_token_gets_it(services: dict[str, Any]) -> None:
    """As a file that nothing else mounts, at the path that the configuration is told."""
    holders = {name for name, service in services.items() if "secrets" in service}
    assert holders == {"agent", "entry"}
    for name in holders:
        (secret,) = services[name]["secrets"]
        said = {value for key, value in environment(services[name]).items() if key.startswith("COLLECTOR_TOKEN")}
        assert said == {secret["target"]}


def test_memory_limits_of_collectors_leave_room_below_those_of_their_containers(services: dict[str, Any]) -> None:
    """Else the kernel kills what would have answered 503."""
    for name, service in collectors(services).items():
        (path, *_) = configurations(service)
        default = re.search(r"limit_mib: \$\{env:COLLECTOR_MEMORY_MIB:-(\d+)\}", path.read_text(encoding="utf-8"))
        assert default is not None
        limit = int(environment(service).get("COLLECTOR_MEMORY_MIB", default[1]))
        assert limit * 2**20 <= int(service["mem_limit"]) * 0.8, name


def test_with_kafka_nothing_passes_it_by() -> None:
    """Laid over each other, the two files leave no direct way from `entry` to the translators."""
    with_kafka = services_of(COMPOSE, KAFKA)
    assert [path.name for path in configurations(with_kafka["entry"])] == ["gateway.yaml", "kafka-producer.yaml"]
    for name in ("translator-1", "translator-2"):
        names = [path.name for path in configurations(with_kafka[name])]
        assert names == ["translator.yaml", "kafka-consumer.yaml"]
        assert with_kafka[name]["depends_on"]["kafka"]["condition"] == "service_healthy"
