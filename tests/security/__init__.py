"""The OWASP API Security Top 10 of 2023, one file per point.

What other tests show stays there: tokens and keys in tests/accounts/test_token.py, limits in
tests/accounts/test_rate_limits.py, the console's login in tests/admin/test_login.py, the shape of
refusals in tests/api/test_errors.py, every endpoint against its schema in tests/contract. API10,
unsafe consumption of other APIs, is tests/market/test_binance_faults.py and
test_binance_filters.py: a venue that lies, stalls or answers nonsense.
"""
