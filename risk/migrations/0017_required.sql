-- The rule of risk/maintenance.py for statements that look at many accounts at once, without any
-- rounding. PostgreSQL writes functions of one expression into the statements that call them.

DROP VIEW risk_standing;
DROP FUNCTION margin_slack(numeric, numeric, numeric);

CREATE FUNCTION margin_slack(equity numeric, required numeric) RETURNS numeric
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN equity - required;

-- The text of the ladders that positions are held to; none where margin is required as a share.
CREATE FUNCTION ladders_in_force(margin_mode text, ladders text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN margin_mode = 'brackets' THEN ladders ELSE '' END;

-- Of each symbol its rates and cumulative amounts by bracket. STRICT, so that it is run once for a
-- statement, which its inside would only make longer to plan.
CREATE FUNCTION maintenance_lines(ladders text)
RETURNS TABLE (symbol text, rates numeric[], cumulatives numeric[], highest_rate numeric)
LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT ROWS 20 AS $$
    SELECT symbol, array_agg(rate ORDER BY place), array_agg(cumulative ORDER BY place), max(rate)
    FROM maintenance_ladders(ladders) GROUP BY symbol
$$;

-- Of a position: its share of the initial margin without a ladder, else the largest of what the up
-- to twelve brackets say, where GREATEST passes over those that there are not.
CREATE FUNCTION required_equity(
    margin numeric, threshold numeric, notional numeric, rates numeric[], cumulatives numeric[]
) RETURNS numeric
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN rates IS NULL THEN threshold * margin ELSE GREATEST(
        notional * rates[1] - cumulatives[1], notional * rates[2] - cumulatives[2],
        notional * rates[3] - cumulatives[3], notional * rates[4] - cumulatives[4],
        notional * rates[5] - cumulatives[5], notional * rates[6] - cumulatives[6],
        notional * rates[7] - cumulatives[7], notional * rates[8] - cumulatives[8],
        notional * rates[9] - cumulatives[9], notional * rates[10] - cumulatives[10],
        notional * rates[11] - cumulatives[11], notional * rates[12] - cumulatives[12]
    ) END;

CREATE VIEW risk_ladder AS
SELECT line.*
FROM risk_riskpolicy AS policy
CROSS JOIN LATERAL maintenance_lines(policy.maintenance_brackets) AS line
WHERE ladders_in_force(policy.margin_mode, policy.maintenance_brackets) <> '';

-- Accounts with open positions, at present marks; margin and notional are those of the positions,
-- required is what equity is held against.
CREATE VIEW risk_standing AS
SELECT held.account_id, account.user_id, account.balance + held.unrealized_pnl AS equity,
       held.margin, held.notional, held.required
FROM (
    SELECT position.account_id,
           sum(unrealized_pnl(position.quantity, instrument.mark_price, position.cost))
               AS unrealized_pnl,
           sum(position.margin) AS margin,
           sum(abs(position.quantity) * instrument.mark_price) AS notional,
           sum(required_equity(
               position.margin, policy.liquidation_threshold,
               abs(position.quantity) * instrument.mark_price, ladder.rates, ladder.cumulatives
           )) AS required
    FROM risk_position AS position
    JOIN market_instrument AS instrument ON instrument.id = position.instrument_id
    CROSS JOIN risk_riskpolicy AS policy
    LEFT JOIN risk_ladder AS ladder ON ladder.symbol = instrument.symbol
    WHERE position.status = 'OPEN'
    GROUP BY position.account_id
) AS held
JOIN accounts_account AS account ON account.id = held.account_id;
