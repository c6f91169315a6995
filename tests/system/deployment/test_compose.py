"""The compose file holds together: what it names exists, what must be kept is kept."""

import re
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from tests.system.deployment.files import APP_SERVICES, COMPOSE, DOCKER, SERVICES, variables_of_code

ONE_SHOTS = {"migrate", "seed"}
#: Read by Compose itself and by the image's entry point.
NOT_OF_THE_CODE = {
    "POSTGRES_PASSWORD",
    "GRAFANA_ADMIN_PASSWORD",
    "PROMETHEUS_PORT",
    "GRAFANA_PORT",
    "WORKER_CONCURRENCY",
    *("BASE", "COMMIT", "DOOR_ADDRESS", "FRONT_DOOR", "TLS_DIRECTORY", "TLS_PORT"),
    "METRICS_BIND",
}
SECRETS = {"DJANGO_SECRET_KEY", "POSTGRES_PASSWORD", "GRAFANA_ADMIN_PASSWORD"}
REFERENCE = re.compile(r"\$\{([A-Z_]+)([^}]*)\}")

every_service = pytest.mark.parametrize("name", SERVICES)
every_app_service = pytest.mark.parametrize("name", APP_SERVICES)


def references() -> list[tuple[str, str]]:
    """Return each ${VARIABLE} with what follows its name."""
    return REFERENCE.findall((DOCKER / "docker-compose.yml").read_text())


def with_defaults(service: dict[str, Any], key: str) -> list[str]:
    """Return a list of a service as it is where docker/.env sets nothing."""
    return [re.sub(r"\$\{\w+:-(.*?)\}", r"\1", word) for word in service.get(key, [])]


def handed_on(service: dict[str, Any]) -> set[str]:
    """Return the variables that a service takes over from docker/.env under their own names."""
    return {key for key, value in service.get("environment", {}).items() if value is None}


def offered_variables() -> set[str]:
    """Return the variables of docker/.env.example, set or commented out."""
    return set(re.findall(r"^#?([A-Z_]+)=", (DOCKER / ".env.example").read_text(), re.MULTILINE))


def test_the_stack_is_complete() -> None:
    assert set(SERVICES) == {
        *("postgres", "valkey", "migrate", "seed", "web", "stream", "worker"),
        *("worker-slow", "beat"),
        *("nginx", "prometheus", "grafana"),
    }
    assert set(APP_SERVICES) == {
        *("migrate", "seed", "web", "stream", "worker", "worker-slow", "beat")
    }


@every_service
def test_an_image_has_a_fixed_version(name: str) -> None:
    _, _, tag = SERVICES[name]["image"].partition(":")
    assert tag
    assert tag != "latest"


@every_service
def test_a_service_comes_back_and_says_how_it_is(name: str) -> None:
    service = SERVICES[name]
    if name in ONE_SHOTS:
        assert service["restart"] == "no"
        assert service["healthcheck"] == {"disable": True}
    else:
        assert service["restart"] == "unless-stopped"
        # The web server has the check of its image.
        assert ("healthcheck" in service) == (name != "web")


@every_service
def test_a_service_is_confined(name: str) -> None:
    service = SERVICES[name]
    assert "no-new-privileges:true" in service["security_opt"]
    assert service["read_only"] is True
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}


@every_app_service
def test_the_application_has_no_capabilities_and_metrics_of_its_own(name: str) -> None:
    service = APP_SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    # Shared between containers, whose process ids repeat, the files would be corrupted.
    assert any(mount.startswith("/run/metrics") for mount in service["tmpfs"])
    # None has a name by which containers share it.
    assert set(service.get("volumes", [])) <= {"/tmp"}  # noqa: S108


@every_service
def test_ports_are_published_on_loopback_alone(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in with_defaults(SERVICES[name], "ports"))


@pytest.mark.parametrize("name", ["postgres", "valkey"])
def test_servers_are_reached_by_the_exchange_alone(name: str) -> None:
    assert SERVICES[name]["networks"] == ["backend"]
    assert COMPOSE["networks"]["backend"]["internal"] is True
    members = {other for other, s in SERVICES.items() if "backend" in s["networks"]}
    assert members == {"postgres", "valkey", *APP_SERVICES}


@every_service
def test_a_service_waits_for_services_that_can_satisfy_it(name: str) -> None:
    for other, wanted in SERVICES[name].get("depends_on", {}).items():
        expected = "service_completed_successfully" if other in ONE_SHOTS else "service_healthy"
        assert wanted["condition"] == expected


def test_the_image_is_built_once_and_nowhere_pulled() -> None:
    built = [name for name, service in APP_SERVICES.items() if "build" in service]
    assert built == ["migrate"]
    for name, service in APP_SERVICES.items():
        assert service["pull_policy"] == ("build" if name == "migrate" else "never")
        assert name == "migrate" or "migrate" in service["depends_on"]


def test_clients_reach_the_web_server_by_nginx_alone() -> None:
    published = {name for name, service in SERVICES.items() if service.get("ports")}
    assert published == {"nginx", "prometheus", "grafana"}
    door = COMPOSE["networks"]["door"]
    members = {name for name, service in SERVICES.items() if "door" in service["networks"]}
    assert door["internal"] is True
    assert members == {"nginx", "web", "stream"}
    # Nginx knows both by this network alone, so that its address there is seen.
    for name in ("web", "stream"):
        assert set(SERVICES["nginx"]["networks"]) & set(SERVICES[name]["networks"]) == {"door"}
    address = SERVICES["nginx"]["networks"]["door"]["ipv4_address"]
    assert ip_address(address) in ip_network(door["ipam"]["config"][0]["subnet"])
    trusted = APP_SERVICES["web"]["environment"]["TRUSTED_PROXIES"].split(",")
    assert trusted == [address, "${TRUSTED_PROXIES:-}"]


@every_service
def test_mounts_exist(name: str) -> None:
    for volume in with_defaults(SERVICES[name], "volumes"):
        if ":" not in volume:  # the container's own
            continue
        source, target, *_ = volume.split(":")
        assert target.startswith("/")
        if source.startswith("."):
            assert (DOCKER / source).exists()
            assert volume.endswith(":ro")
        else:
            assert source in COMPOSE["volumes"]


def test_every_variable_is_offered_and_every_offer_is_used() -> None:
    used = {name for name, _ in references()}.union(*map(handed_on, SERVICES.values()))
    assert offered_variables() == used


def test_every_variable_is_known_to_the_code() -> None:
    set_for_app = {key for service in APP_SERVICES.values() for key in service["environment"]}
    known = variables_of_code() | NOT_OF_THE_CODE
    assert set_for_app | offered_variables() <= known


def test_compose_refuses_to_start_without_the_secrets() -> None:
    after_name = {name: rest for name, rest in references() if name in SECRETS}
    assert set(after_name) == SECRETS
    assert all(rest.startswith(":?") for name, rest in references() if name in SECRETS)


def test_no_secret_has_a_value() -> None:
    for service in SERVICES.values():
        for key, value in service.get("environment", {}).items():
            if re.search(r"SECRET|PASSWORD|API_KEY", key):
                assert value is None or value.startswith("${")
    for line in (DOCKER / ".env.example").read_text().splitlines():
        key, _, value = line.lstrip("#").partition("=")
        if key in SECRETS | {"BINANCE_API_KEY", "BINANCE_API_SECRET"}:
            assert value == ""
