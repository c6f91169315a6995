"""Orders, trades, liquidations and market steps over HTTP."""
