"""Every body that the API docs offer does something on the demo data."""

from drf_spectacular.generators import SchemaGenerator

from accounts.models import User
from tests.conftest import ClientOf
from trading.demo.data import seed_demo


def test_each_example_body_is_accepted(client_of: ClientOf, db: None) -> None:
    seed_demo()
    api = client_of(User.objects.get(username="beginner"))
    paths = SchemaGenerator().get_schema(request=None, public=True)["paths"]
    tried = {}
    for path, methods in sorted(paths.items()):
        content = methods.get("post", {}).get("requestBody", {}).get("content", {})
        for name, example in content.get("application/json", {}).get("examples", {}).items():
            if path.endswith("/close"):  # which leaves nothing to the next example
                api.post("/orders", {"symbol": "BTCUSDT", "side": "buy", "size": "0.01"})
            if "{order_id}" not in path:
                answer = api.post(path.replace("{symbol}", "BTCUSDT"), example["value"])
                tried[path, name] = answer.status_code
    assert set(tried.values()) == {200}, tried
    assert {"/auth/token", "/orders", "/orders/batch"} <= {path for path, _ in tried}
