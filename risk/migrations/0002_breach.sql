-- The rule of risk/margin.py for statements that look at many accounts at once, without any
-- rounding. PostgreSQL writes functions of one expression into the statements that call them.

CREATE FUNCTION unrealized_pnl(quantity numeric, price numeric, cost numeric) RETURNS numeric
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN quantity * price - cost;

CREATE FUNCTION margin_slack(equity numeric, margin numeric, threshold numeric) RETURNS numeric
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN equity - threshold * margin;

-- Accounts with open positions, at present marks; margin and notional are those of the positions.
CREATE VIEW risk_standing AS
SELECT held.account_id, account.user_id, account.balance + held.unrealized_pnl AS equity,
       held.margin, held.notional
FROM (
    SELECT position.account_id,
           sum(unrealized_pnl(position.quantity, instrument.mark_price, position.cost))
               AS unrealized_pnl,
           sum(position.margin) AS margin,
           sum(abs(position.quantity) * instrument.mark_price) AS notional
    FROM risk_position AS position
    JOIN market_instrument AS instrument ON instrument.id = position.instrument_id
    WHERE position.status = 'OPEN'
    GROUP BY position.account_id
) AS held
JOIN accounts_account AS account ON account.id = held.account_id;
