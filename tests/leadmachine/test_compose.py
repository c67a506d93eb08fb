"""The production files, checked without a container engine: what Compose reads, and what hadolint says."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from leadmachine.env import REPOSITORY
from leadmachine.programs import Address, programs

BIN = Path(sys.executable).parent
FILLED_IN = {
    "PUBLIC_URL": "https://crm.example.com",
    "SECRET_KEY": "s",
    "FIELD_KEYS": "k1:k",
    "ERASURE_KEY": "e",
    "SETUP_CODE": "c",
    "POSTGRES_PASSWORD": "p",
    "REDIS_PASSWORD": "r",
}
OURS = ["web", "worker", "beat", "migrate"]


def compose(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(BIN / "docker-compose"), "--env-file", os.devnull, "--file", "docker-compose.yml", *words],
        cwd=REPOSITORY,
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **variables},
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    read = compose("config", "--format", "json", **FILLED_IN)
    assert read.returncode == 0, read.stderr
    found: dict[str, Any] = json.loads(read.stdout)["services"]
    return found


def test_the_file_is_valid_when_everything_is_filled_in() -> None:
    assert compose("config", "--quiet", **FILLED_IN).returncode == 0


@pytest.mark.parametrize("missing", FILLED_IN)
def test_nothing_that_must_be_chosen_has_a_default(missing: str) -> None:
    read = compose("config", "--quiet", **{name: word for name, word in FILLED_IN.items() if name != missing})
    assert read.returncode != 0
    assert f"required variable {missing} is missing" in read.stderr


def test_the_example_names_every_required_variable_and_fills_in_none() -> None:
    example = (REPOSITORY / ".env.example").read_text()
    assert re.findall(r"^([A-Z_]+)=(.*)$", example, re.MULTILINE) == [
        (name, "") for name in sorted(FILLED_IN, key=example.index)
    ]


def test_only_the_web_server_is_published_and_only_on_this_machine(services: dict[str, Any]) -> None:
    assert [name for name, service in services.items() if service.get("ports")] == ["web"]
    assert {port["host_ip"] for port in services["web"]["ports"]} == {"127.0.0.1"}


def test_the_database_and_the_broker_are_on_a_network_without_a_way_out(services: dict[str, Any]) -> None:
    assert list(services["postgres"]["networks"]) == list(services["redis"]["networks"]) == ["inside"]
    networks = json.loads(compose("config", "--format", "json", **FILLED_IN).stdout)["networks"]
    assert networks["inside"]["internal"] is True


def test_every_container_is_locked_down(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not service.get("privileged"), name


def test_the_broker_evicts_nothing_and_keeps_its_queue(services: dict[str, Any]) -> None:
    command = " ".join(services["redis"]["command"])
    assert "--maxmemory-policy noeviction" in command
    assert "--appendonly yes --appendfsync everysec" in command
    assert FILLED_IN["REDIS_PASSWORD"] not in command.split()


def test_no_container_of_ours_starts_before_the_migrations_are_done(services: dict[str, Any]) -> None:
    for name in ("web", "worker", "beat"):
        needs = services[name]["depends_on"]
        assert needs["migrate"]["condition"] == "service_completed_successfully"
        assert needs["postgres"]["condition"] == needs["redis"]["condition"] == "service_healthy"
    assert services["migrate"]["restart"] == "no"


def test_what_ends_is_started_again(services: dict[str, Any]) -> None:
    lasting = set(services) - {"migrate"}
    assert {services[name]["restart"] for name in lasting} == {"unless-stopped"}


def test_the_worker_may_finish_its_request(services: dict[str, Any]) -> None:
    assert services["worker"]["stop_grace_period"] == "1m0s"


def test_what_can_be_asked_has_a_health_check(services: dict[str, Any]) -> None:
    asked = [name for name, service in services.items() if service.get("healthcheck", {}).get("test")]
    assert sorted(asked) == ["postgres", "redis", "worker"]
    assert "HEALTHCHECK" in (REPOSITORY / "Dockerfile").read_text()  # the web server's, in the image
    assert "healthcheck" not in services["web"]


def test_the_programs_take_the_same_options_as_under_up(services: dict[str, Any], tmp_path: Path) -> None:
    def options(words: list[str]) -> set[str]:
        return {word.split("=")[0] for word in words if word.startswith("--")}

    under_up = {
        program.name: program for program in programs(Address("127.0.0.1", 8000), tmp_path, "redis://")
    }
    not_needed = {"--workdir"}  # the image's working directory
    assert options(services["worker"]["command"]) == options(list(under_up["worker"].command)) - not_needed
    assert options(services["beat"]["command"]) == options(list(under_up["schedule"].command)) - not_needed


def test_every_setting_that_is_passed_in_reaches_all_of_our_containers(services: dict[str, Any]) -> None:
    first, *others = (services[name]["environment"] for name in OURS)
    assert all(other == first for other in others)


def test_the_image_passes_hadolint() -> None:
    linted = subprocess.run(
        [str(BIN / "hadolint"), "Dockerfile"], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert linted.returncode == 0, linted.stdout


def test_the_image_runs_as_nobody_in_particular_and_installs_by_hash() -> None:
    dockerfile = (REPOSITORY / "Dockerfile").read_text()
    final = dockerfile.split("\nFROM ")[-1]
    assert re.search(r"^USER \d+:\d+$", final, re.MULTILINE)
    assert "--require-hashes" in dockerfile
    assert not re.search(r":latest\b", dockerfile)
    assert not re.search(r"(?i)\b(secret_key|field_keys|password)=", dockerfile)
