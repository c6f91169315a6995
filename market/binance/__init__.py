"""The client of Binance Spot Testnet: no Django in it, everything by arguments."""
