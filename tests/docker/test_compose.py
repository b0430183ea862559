"""The compose file: valid, pinned, closed to other machines, bounded, and every name in it leads somewhere."""

import re
import subprocess
import sys
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml

from console.commands.check import check_file
from tests.docker.files import (
    COMPOSE,
    DOCKER,
    ENVIRONMENT_EXAMPLE,
    VARIABLE,
    read_compose,
    read_mounts,
    read_services,
    secret_names,
)

SERVICES = read_services()
OURS = [name for name, service in SERVICES.items() if "build" in service]
each_service = pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)


def problems_of_schema(file: Path) -> str:
    """What the schema of the Compose Specification says against a file."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout if done.returncode else ""


def test_the_compose_file_follows_the_compose_specification(tmp_path: Path) -> None:
    assert problems_of_schema(COMPOSE) == ""
    wrong = tmp_path / "compose.yaml"
    wrong.write_text(COMPOSE.read_text(encoding="utf-8").replace("stop_grace_period:", "stop_grace:"))
    assert "stop_grace" in problems_of_schema(wrong)


@each_service
def test_an_image_is_built_here_or_pinned_to_one_version(service: dict[str, Any]) -> None:
    if "build" in service:
        assert (DOCKER / service["build"]["context"] / service["build"]["dockerfile"]).is_file()
    else:
        assert re.fullmatch(r"[\w/-]+:\d+(\.\d+){2,3}", service["image"])


@each_service
def test_a_service_may_do_and_use_no_more_than_it_needs(service: dict[str, Any]) -> None:
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert {"mem_limit", "cpus", "pids_limit", "restart", "logging"} <= service.keys()
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}
    assert service.get("user", "1:1").split(":")[0] != "0"
    assert service.get("read_only") or service["image"].startswith("apache/kafka:")


@each_service
def test_ports_are_open_to_this_machine_alone(service: dict[str, Any]) -> None:
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))


def test_secrets_come_from_the_environment_and_whoever_lacks_one_is_told_where_to_set_it() -> None:
    used = {name: said for name, said in VARIABLE.findall(COMPOSE.read_text(encoding="utf-8"))}
    assert used == {name: f"set {name} in docker/.env" for name in secret_names()}
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            assert not re.search("PASSWORD|SECRET|TOKEN|WRITE_KEY", name) or VARIABLE.fullmatch(value)


def test_the_line_of_the_example_writes_secrets_that_only_their_owner_reads(tmp_path: Path) -> None:
    example = ENVIRONMENT_EXAMPLE.read_text(encoding="utf-8")
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker" / ".env.example").write_text(example, encoding="utf-8")
    [line] = re.findall(r"^#   (\(.*\))$", example, re.MULTILINE)
    subprocess.run(["sh", "-ec", line], cwd=tmp_path, check=True, timeout=30)

    written = tmp_path / "docker" / ".env"
    assert written.stat().st_mode & 0o777 == 0o600
    secrets = dict(line.split("=") for line in written.read_text(encoding="utf-8").splitlines())
    assert [*secrets] == secret_names()
    assert all(re.fullmatch(r"[0-9a-f]{48}", value) for value in secrets.values())
    assert len({*secrets.values()}) == len(secrets)


def test_what_is_mounted_is_there_and_read_only_unless_docker_keeps_it() -> None:
    used = set()
    for service in SERVICES.values():
        for mount in read_mounts(service):
            if mount.is_volume:
                used.add(mount.source)
            else:
                assert not mount.writable, mount
                assert mount.may_be_missing or (DOCKER / mount.source).exists(), mount
    assert used == read_compose()["volumes"].keys()


def test_the_workspace_is_valid_and_needs_no_variable_that_its_services_lack() -> None:
    services = read_compose({name: f"secret-of-{name}" for name in secret_names()})["services"]
    for name in ("migrate", "ingest", "delivery", "recording", "alerting"):
        environment = services[name]["environment"]
        [mounted] = [m for m in read_mounts(services[name]) if m.target == environment["WAYBILL_WORKSPACE"]]
        result = check_file(DOCKER / mounted.source, environment)
        assert result.workspace is not None and result.problems == ()


@pytest.mark.parametrize("name", ["ingest", "delivery", "alerting"])
def test_events_are_taken_and_delivered_and_alerts_told_without_the_store(name: str) -> None:
    assert SERVICES[name]["depends_on"].keys() == {"kafka"}


def test_services_start_when_what_they_need_is_healthy_or_done() -> None:
    for service in SERVICES.values():
        for needed, how in service.get("depends_on", {}).items():
            done = SERVICES[needed]["restart"] == "no"
            assert how["condition"] == ("service_completed_successfully" if done else "service_healthy")
            assert done or "disable" not in SERVICES[needed].get("healthcheck", {})
    assert SERVICES["recording"]["depends_on"].keys() == SERVICES["migrate"]["depends_on"].keys() - {"clickhouse"} | {
        "migrate"
    }


def test_each_process_keeps_its_state_in_a_volume_of_its_own() -> None:
    kept = [mount.source for name in OURS for mount in read_mounts(SERVICES[name]) if mount.writable]
    assert sorted(kept) == ["alerting-data", "delivery-data", "ingest-data", "recording-data"]


def test_destinations_may_be_the_receiver_and_nothing_else_on_private_networks() -> None:
    workspace = yaml.safe_load((DOCKER / "workspace.yaml").read_text(encoding="utf-8"))
    address = SERVICES["receiver"]["networks"]["demo"]["ipv4_address"]
    assert workspace["delivery"]["allow_addresses"] == [address]
    [network] = read_compose()["networks"]["demo"]["ipam"]["config"]
    assert ip_address(address) in ip_network(network["subnet"])
    assert ip_address(address) not in ip_network(network["ip_range"])  # which Docker gives to others
    assert [name for name, service in SERVICES.items() if "demo" in service.get("networks", ())] == [
        "delivery",
        "receiver",
    ]
