"""GET /metrics: the counters of all processes, and figures that agree with the database."""

from prometheus_client.parser import text_string_to_metric_families

from kpi.tasks import beat_heart
from tests.conftest import ApiClient
from tests.each import each

NAMES = {
    "api_request_latency_seconds_bucket",
    "api_error_total",
    "api_requests_total",
    "liquidation_events_total",
    "auth_failures_total",
    "rate_limit_hits_total",
}

Labels = tuple[tuple[str, str], ...]


def parse(text: str) -> dict[tuple[str, Labels], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def scrape(client: ApiClient) -> dict[tuple[str, Labels], float]:
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain")
    return parse(answer.content.decode())


def test_the_metrics_are_open_and_have_their_names(anonymous: ApiClient) -> None:
    assert {name for name, _ in scrape(anonymous)} >= NAMES


@each("accept", ["*/*", "text/plain", "application/openmetrics-text;version=1.0.0,*/*;q=0.1"])
def test_scrapers_get_what_they_accept(anonymous: ApiClient, accept: str) -> None:
    assert anonymous.get("/metrics", HTTP_ACCEPT=accept).status_code == 200


def test_the_figures_of_the_database_are_read_at_scrape_time(
    liquidated: None, anonymous: ApiClient
) -> None:
    beat_heart()
    metrics = scrape(anonymous)
    expected = {
        ("database_up", ()): 1,
        ("liquidation_events_total", ()): 1,
        ("global_exposure_usdt", ()): 24_000,
        ("global_exposure_threshold_usdt", ()): 10_000_000,
        ("open_positions", ()): 2,
        ("insurance_fund_usdt", ()): 92_500,
        ("bad_debt_usdt", ()): 0,
        ("open_interest_usdt", (("side", "long"), ("symbol", "BTCUSDT"))): 4_000,
        ("open_interest_usdt", (("side", "short"), ("symbol", "BTCUSDT"))): 20_000,
    }
    assert {key: metrics[key] for key in expected} == expected
    assert 0 <= metrics["market_tick_age_seconds", (("symbol", "BTCUSDT"),)] < 60
    assert 0 <= metrics["worker_heartbeat_age_seconds", ()] < 60


def test_before_the_first_heartbeat_its_age_is_left_out(anonymous: ApiClient) -> None:
    assert ("worker_heartbeat_age_seconds", ()) not in scrape(anonymous)
