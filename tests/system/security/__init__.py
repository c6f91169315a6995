"""The OWASP API Security Top 10 of 2023, one file per point.

What other tests show stays there: tokens, keys, limits and the console's login in tests/accounts,
the shape of refusals in tests/market/kernel/api/test_exceptions.py, every endpoint against its
schema in tests/system/contract. API10, unsafe consumption of other APIs, is
tests/market/binance/test_faults.py and tests/trading/venues: a venue that lies, stalls or answers
nonsense.
"""
