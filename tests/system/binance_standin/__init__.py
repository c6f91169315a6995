"""A local server that speaks the part of Binance's Spot REST API that the exchange uses."""
