"""The candles of an instrument as JSON."""

from typing import Any

from kpi.paths.instrument_bars import Bars
from kpi.paths.wire import at, candle_rows
from market.candles import INTERVALS
from market.kernel.amounts import plain
from market.models import Instrument

NO_PRICE = (
    "No mark price of {symbol} is on record yet: a market step sets one, by Market step on the "
    "dashboard or python manage.py tick."
)


def bars_json(bars: Bars, instrument: Instrument) -> dict[str, Any]:
    return {
        "symbol": instrument.symbol,
        "tick": plain(instrument.tick_size),
        "interval": bars.interval,
        "intervals": list(INTERVALS),
        "seconds": INTERVALS[bars.interval],
        "since": at(bars.since),
        "earlier": bars.earlier,
        "empty": "" if bars.candles or bars.earlier else NO_PRICE.format(symbol=instrument.symbol),
        "candles": candle_rows(bars.candles, bars.opens),
        "marks": [
            {"at": at(one.at), "kind": one.kind, "count": one.count, "text": one.text, "href": ""}
            for one in bars.events
        ],
    }
