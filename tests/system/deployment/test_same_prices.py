"""Every process simulates the same prices from a seed."""

import subprocess
import sys
from decimal import Decimal

from market.models import Instrument
from market.sources.simulation import SimulationSource

PRINT_PRICE = """
import django
django.setup()
from decimal import Decimal
from market.models import Instrument
from market.sources.simulation import SimulationSource
last = Instrument(symbol="BTCUSDT", tick_size=Decimal("0.01"), mark_price=Decimal(65000))
print(SimulationSource(seed="7").fetch([last], 12)["BTCUSDT"])
"""


def test_another_process_draws_the_same_price() -> None:
    last = Instrument(symbol="BTCUSDT", tick_size=Decimal("0.01"), mark_price=Decimal(65000))
    elsewhere = subprocess.run(
        [sys.executable, "-c", PRINT_PRICE], capture_output=True, text=True, check=True
    )
    here = SimulationSource(seed="7").fetch([last], 12)["BTCUSDT"]
    assert Decimal(elsewhere.stdout.strip()) == here
