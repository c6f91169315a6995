SET LOCAL session_replication_role = replica;
INSERT INTO trading_order (account_id, instrument_id, symbol, fingerprint, side, type, size, price,
                           leverage, reduce_only, liquidation, status, reject_code, reject_detail,
                           filled_size, average_price, required_margin, reserved_margin,
                           reserved_notional, venue, accepted_as, created_at, updated_at)
SELECT {account} + owner, instrument.id, instrument.symbol, '', 'buy', type, 1,
       CASE type WHEN 'limit' THEN 10 END, 20, false, i % 50 = 0, status,
       CASE status WHEN 'REJECTED' THEN 'insufficient_margin' ELSE '' END, '',
       CASE status WHEN 'FILLED' THEN 1 ELSE 0 END, CASE status WHEN 'FILLED' THEN 10 END, 0, 0, 0,
       'simulated', status, at, at
FROM generate_series(1, {orders}) AS i
CROSS JOIN LATERAL (
    SELECT CASE i % 3 WHEN 0 THEN 0 ELSE 1 + i % ({accounts} - 1) END AS owner,
           CASE WHEN i <= {rare} THEN 11 ELSE 1 + i % 10 END AS number,
           CASE WHEN i <= {rare} OR i % 97 = 0 THEN 'limit' ELSE 'market' END AS type,
           CASE WHEN i <= {rare} OR i % 97 = 0 THEN 'CANCELED'
                WHEN i % 10 = 5 THEN 'REJECTED' ELSE 'FILLED' END AS status,
           now() - ({orders} - i) * interval '2.592 seconds' AS at
) AS one
JOIN market_instrument AS instrument ON instrument.id = ({ids})[number]
ORDER BY i;
INSERT INTO trading_trade (order_id, account_id, instrument_id, side, size, price, notional,
                           leverage, fee, realized_pnl, liquidation_id, created_at)
SELECT id, account_id, instrument_id, side, 1, 10, 10, 20, 0.01, 0,
       CASE WHEN liquidation THEN id / 50 END, created_at
FROM trading_order
WHERE id % 3 < 2 AND (status = 'FILLED' OR id <= {rare})
ORDER BY id;
INSERT INTO trading_liquidation (account_id, mode, threshold, margin_ratio_before,
                                 margin_ratio_after, equity_before, equity_after, margin_before,
                                 margin_after, insurance_paid, bad_debt, created_at)
SELECT account_id, 'full', 0.5, 0.4, NULL, 4, 3, 10, 0, 0, 0, created_at
FROM trading_order WHERE liquidation ORDER BY id;
INSERT INTO risk_position (account_id, instrument_id, quantity, cost, margin, leverage,
                           realized_pnl, status, opened_at, closed_at)
SELECT account_id, instrument_id, 0, 0, 0, 20, 0,
       CASE WHEN liquidation THEN 'LIQUIDATED' ELSE 'CLOSED' END, created_at, created_at
FROM trading_order WHERE id % 3 = 0 OR id % 7 = 0 ORDER BY id;
INSERT INTO accounts_transfer (kind, debit_account_id, credit_account_id, amount, reference,
                               reason, created_at)
SELECT 'fee', account_id, (SELECT id FROM accounts_account WHERE kind = 'fees'), fee,
       'order:' || order_id, '', created_at
FROM trading_trade ORDER BY id;
