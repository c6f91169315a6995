"""Why a venue does not take an order: the codes on the wire and their sentences."""

from typing import Final

VENUE_REJECTED: Final = "venue_rejected"
VENUE_UNAVAILABLE: Final = "venue_unavailable"
VENUE_EXPIRED: Final = "venue_expired"
VENUE_SETTLED: Final = "venue_settled"

#: Codes of a refused placement; the stored detail is in the venue's own words where it has some.
VENUE_DENIALS: Final = {
    "venue_credentials_missing": "This venue needs credentials: set BINANCE_API_KEY and "
    "BINANCE_API_SECRET, or EXCHANGE_VENUE=simulated.",
    VENUE_REJECTED: "The venue refused: Filter failure: NOTIONAL",
    VENUE_UNAVAILABLE: "The venue was not reached in time; place the order again.",
}
