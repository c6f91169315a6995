"""Prometheus scrapes what runs, and the dashboard shows metrics that exist."""

import json
import re
from typing import Any, Final

import pytest
import yaml

from kpi.audit.checks import check_audit
from kpi.checks.ledger import check_ledger
from kpi.models import AlertRule
from kpi.services import record_heartbeat
from tests.conftest import ApiClient
from tests.system.deployment.files import DOCKER, ROOT, SERVICES, image_command, table_column

SCRAPES: Final[dict[str, Any]] = {
    scrape["job_name"]: scrape
    for scrape in yaml.safe_load((DOCKER / "prometheus.yml").read_text())["scrape_configs"]
}
DASHBOARD: Final[dict[str, Any]] = json.loads(
    (DOCKER / "grafana/dashboards/exchange.json").read_text()
)
PANELS: Final = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
EXPRESSIONS: Final = [target["expr"] for panel in PANELS for target in panel["targets"]]
GROUPS: Final = yaml.safe_load((DOCKER / "rules.yml").read_text())["groups"]
RULES: Final[list[dict[str, Any]]] = [rule for group in GROUPS for rule in group["rules"]]
#: Written by libraries, not by the exchange.
FOREIGN: Final = re.compile(r"python_|process_|django_")
SUFFIXES: Final = {"histogram": ("_bucket", "_sum", "_count")}
NOT_METRICS: Final = {
    *("sum", "max", "min", "by", "rate", "increase", "histogram_quantile", "vector", "or"),
    *("le", "endpoint", "status", "scope", "code", "result", "symbol", "side"),
    *("rule", "severity", "job", "and", "max_over_time"),
}


def provisioned(kind: str) -> dict[str, Any]:
    """Return the one entry of a kind that Grafana is provisioned with."""
    [file] = (DOCKER / "grafana/provisioning" / kind).glob("*.yml")
    content = yaml.safe_load(file.read_text())
    [entry] = content["datasources" if kind == "datasources" else "providers"]
    return dict(entry)


def names_in(expression: str) -> set[str]:
    """Return the metrics of a PromQL expression."""
    bare = re.sub(r"\"[^\"]*\"|\[[^\]]*\]", "", expression)
    return set(re.findall(r"[a-z_]{2,}", bare)) - NOT_METRICS


@pytest.fixture
def exposed(db: None, anonymous: ApiClient) -> dict[str, str]:
    """The types of the metrics in a real answer of GET /metrics, by name."""
    record_heartbeat()
    check_ledger()
    check_audit()
    text = anonymous.get("/metrics").content.decode()
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    return {n: t for n, t in types.items() if not FOREIGN.match(n) and not n.endswith("_created")}


def test_every_scraped_host_is_a_service_that_listens_there() -> None:
    assert SCRAPES["web"]["static_configs"] == [{"targets": ["web:8000"]}]
    assert image_command()[-1] == "0.0.0.0:8000"
    [search] = SCRAPES["worker"]["dns_sd_configs"]
    assert search["names"] == ["worker"]
    bind = SERVICES["worker"]["environment"]["METRICS_BIND"]
    assert bind == f"0.0.0.0:{search['port']}"
    assert SCRAPES["stream"]["static_configs"] == [{"targets": ["stream:9808"]}]
    assert SERVICES["stream"]["environment"]["METRICS_BIND"] == "0.0.0.0:9808"
    for name in ("web", "stream", "worker", "grafana"):
        assert set(SERVICES[name]["networks"]) & set(SERVICES["prometheus"]["networks"])


def test_the_scraped_web_server_answers_to_that_name() -> None:
    hosts = SERVICES["web"]["environment"]["DJANGO_ALLOWED_HOSTS"].split(",")
    assert {"web", "127.0.0.1"} <= set(hosts)


def test_grafana_finds_prometheus_and_the_dashboard() -> None:
    source = provisioned("datasources")
    assert source["url"] == "http://prometheus:9090"
    assert {target["datasource"]["uid"] for p in PANELS for target in p["targets"]} == {
        source["uid"]
    }
    mounts = dict(mount.split(":")[1::-1] for mount in SERVICES["grafana"]["volumes"])
    assert mounts[provisioned("dashboards")["options"]["path"]] == "./grafana/dashboards"


def test_panels_have_titles_and_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        assert panel["title"]
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        taken |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


def test_every_metric_on_the_dashboard_exists(exposed: dict[str, str]) -> None:
    series = {n + suffix for n, kind in exposed.items() for suffix in SUFFIXES.get(kind, ("",))}
    shown = set().union(*map(names_in, EXPRESSIONS))
    assert len(shown) > 15
    assert shown <= series


def test_the_dashboard_covers_what_operators_watch() -> None:
    shown = set().union(*map(names_in, EXPRESSIONS))
    assert shown >= {
        *("api_requests_total", "api_error_total", "api_request_latency_seconds_bucket"),
        *("rate_limit_hits_total", "auth_failures_total", "cache_outages_total"),
        *("global_exposure_usdt", "global_exposure_threshold_usdt", "open_interest_usdt"),
        *("liquidation_events_total", "insurance_fund_usdt", "bad_debt_usdt"),
        *("market_tick_age_seconds", "orders_total"),
        *("open_alerts", "ledger_differences"),
    }


def test_every_metric_is_explained_and_no_other(exposed: dict[str, str]) -> None:
    assert sorted(table_column(ROOT / "docs/metrics.md")) == sorted(exposed)


def test_prometheus_loads_the_rules() -> None:
    config = yaml.safe_load((DOCKER / "prometheus.yml").read_text())
    assert config["rule_files"] == ["rules.yml"]
    mounts = dict(mount.split(":")[1::-1] for mount in SERVICES["prometheus"]["volumes"])
    assert mounts["/etc/prometheus/rules.yml"] == "./rules.yml"


def test_prometheus_alerts_on_what_the_exchange_alerts_on(db: None) -> None:
    expected = {
        (rule.kind, rule.severity, rule.threshold): rule.window_seconds
        for rule in AlertRule.objects.all()
    }
    found = {}
    for rule in RULES:
        if "rule" in rule["labels"]:
            [threshold] = re.findall(r" > ([\d.]+)", rule["expr"])
            labels = rule["labels"]
            windows = {60 * int(n) for n in re.findall(r"\[(\d+)m\]", rule["expr"])}
            found[labels["rule"], labels["severity"], float(threshold)] = windows
    assert found.keys() == expected.keys()
    assert all(windows <= {expected[key]} for key, windows in found.items())


def test_every_rule_asks_for_metrics_that_exist(exposed: dict[str, str]) -> None:
    series = {n + suffix for n, kind in exposed.items() for suffix in SUFFIXES.get(kind, ("",))}
    for rule in RULES:
        asked = names_in(rule["expr"]) - {"up"}
        assert asked <= series, rule["alert"]
        assert rule["expr"].count("(") == rule["expr"].count(")")
        assert rule["annotations"]["summary"]
    assert len({rule["alert"] for rule in RULES}) == len(RULES)
