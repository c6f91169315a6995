-- The writes of one order as plain statements, exposure rows last; instrument 1 is the only one.
INSERT INTO trading_order (
    id, account_id, instrument_id, symbol, client_order_id, fingerprint, side, type, size, price,
    leverage, reduce_only, liquidation, status, reject_code, reject_detail, filled_size,
    average_price, required_margin, reserved_margin, reserved_notional, venue, accepted_as,
    user_exposure_after, global_exposure_after, triggered_at, created_at, updated_at
) VALUES (
    nextval('trading_order_id_seq'), :account_id, 1, 'BTCUSDT', NULL, '', 'buy',
    'market', 0.0001, NULL, 20, false, false, 'FILLED', '', '', 0.0001, 65000, 0.325, 0, 0,
    'simulated', 'FILLED', 71.5, 6.5, NULL, now(), now()
) RETURNING id AS order \gset
INSERT INTO trading_trade (
    order_id, account_id, instrument_id, side, size, price, notional, leverage, fee, realized_pnl,
    created_at
) VALUES (:order, :account_id, 1, 'buy', 0.0001, 65000, 6.5, 20, 0, 0, now());
UPDATE risk_position SET quantity = 0.0011, cost = 71.5, margin = 3.575, leverage = 20,
    realized_pnl = 0, status = 'OPEN', closed_at = NULL
WHERE id = :position_id;
UPDATE risk_instrumentexposure SET long_quantity = long_quantity + 0.0001
WHERE instrument_id = 1 AND mark_price = 65000;
UPDATE risk_globalexposure SET total = total + 6.5 WHERE id = 1 AND total + 6.5 <= 1e15;
