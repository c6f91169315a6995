"""Fills a new exchange with traders for the trials; run inside the exchange's own settings.

``python -m tests.system.faults.population CLIENTS VICTIMS RATIO...`` prints, as JSON, an API key
per client and, per ratio, the account ids of as many victims: accounts with one position each,
whose margin ratio is about that ratio.
"""

import json
import sys
from decimal import Decimal

from exchange_poc.wsgi import application  # noqa: F401 - sets Django up

from accounts.keys import issue_api_key  # isort: skip
from accounts.models import Tier  # isort: skip
from accounts.services import create_user  # isort: skip
from risk.engine import Intent  # isort: skip
from risk.services import change_policy  # isort: skip
from trading.services import place_order  # isort: skip

SIZE, LEVERAGE, MARGIN = Decimal("0.01"), 10, Decimal(65)


def add_client(number: int) -> str:
    """Create a client and return its API key."""
    user = create_user(username=f"client-{number}", tier=Tier.ADVANCED)
    return issue_api_key(reason="A test", user=user)[1]


def add_victim(name: str, ratio: Decimal) -> int:
    """Create a trader with a position and return the account id."""
    user = create_user(username=name, tier=Tier.INTERMEDIATE, opening_balance=ratio * MARGIN)
    intent = Intent(
        symbol="BTCUSDT", is_buy=True, size=SIZE, price=None, leverage=LEVERAGE, reduce_only=False
    )
    placement = place_order(user_id=user.pk, intent=intent)
    assert placement.denial is None, placement.denial
    return placement.order.account_id


def main(clients: int, victims: int, *ratios: Decimal) -> None:
    """Create everybody and print who they are; clients rest one order in ten, without end."""
    change_policy(reason="A test", changes={"max_open_orders": 1_000_000})
    keys = [add_client(number) for number in range(clients)]
    batches = [[add_victim(f"victim-{r}-{n}", r) for n in range(victims)] for r in ratios]
    print(json.dumps({"keys": keys, "victims": batches}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), *map(Decimal, sys.argv[3:]))
