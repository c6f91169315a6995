-- What streams tell, noted in the transaction in which it happens: a statement adds all its events by
-- one INSERT. Nothing waits for streams, and these rows are in nobody's way.
CREATE FUNCTION journal_rows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO kpi_streamevent (channel, account_id, object_id)
    SELECT TG_ARGV[0], account_id, id FROM fresh ORDER BY id;
    RETURN NULL;
END $$;
CREATE TRIGGER journal_trades AFTER INSERT ON trading_trade
    REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION journal_rows('trades');
CREATE TRIGGER journal_liquidations AFTER INSERT ON trading_liquidation
    REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION journal_rows('liquidations');

-- An order that has ended never changes again: its row tells. Of an open one the event does.
CREATE FUNCTION open_order(status text, filled_size numeric, average_price numeric) RETURNS jsonb
    LANGUAGE sql IMMUTABLE
    RETURN CASE WHEN status IN ('PENDING_NEW', 'NEW', 'PARTIALLY_FILLED') THEN jsonb_build_object(
        'status', status, 'filled_size', filled_size::text, 'average_price', average_price::text
    ) END;
CREATE FUNCTION journal_new_orders() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO kpi_streamevent (channel, account_id, object_id, detail)
    SELECT 'orders', account_id, id, open_order(status, filled_size, average_price)
    FROM fresh ORDER BY id;
    RETURN NULL;
END $$;
CREATE TRIGGER journal_new_orders AFTER INSERT ON trading_order
    REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION journal_new_orders();
-- By row: a join of the rows before and after would keep the plan of its first few rows for thousands.
CREATE FUNCTION journal_changed_order() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO kpi_streamevent (channel, account_id, object_id, detail) VALUES (
        'orders', NEW.account_id, NEW.id,
        open_order(NEW.status, NEW.filled_size, NEW.average_price)
    );
    RETURN NULL;
END $$;
CREATE TRIGGER journal_changed_order AFTER UPDATE OF status, filled_size ON trading_order
    FOR EACH ROW WHEN (OLD.status <> NEW.status OR OLD.filled_size <> NEW.filled_size)
    EXECUTE FUNCTION journal_changed_order();

-- After the trigger that moves balances, by name: it locks the account of whoever has not yet, and
-- numbers drawn under the lock rise in the order of commits.
CREATE FUNCTION journal_transfers() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO kpi_streamevent (channel, account_id, object_id)
    SELECT 'account', account.id, fresh.id
    FROM fresh JOIN accounts_account AS account
        ON account.id IN (fresh.debit_account_id, fresh.credit_account_id)
    WHERE account.kind = 'user'
    ORDER BY fresh.id;
    RETURN NULL;
END $$;
CREATE TRIGGER transfer_then_journal AFTER INSERT ON accounts_transfer
    REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION journal_transfers();

CREATE FUNCTION journal_ticks() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO kpi_streamevent (channel, object_id) SELECT 'marks', id FROM fresh ORDER BY id;
    RETURN NULL;
END $$;
CREATE TRIGGER journal_ticks AFTER INSERT ON market_pricetick
    REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION journal_ticks();

-- Switches are turned seldom; the conditions stand in WHEN.
CREATE FUNCTION journal_exchange_halt() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO kpi_streamevent (channel, detail) VALUES (
        'halts', jsonb_build_object('scope', 'exchange', 'halted', NEW.trading_halted)
    );
    RETURN NULL;
END $$;
CREATE TRIGGER journal_exchange_halt AFTER UPDATE OF trading_halted ON risk_riskpolicy
    FOR EACH ROW WHEN (OLD.trading_halted <> NEW.trading_halted)
    EXECUTE FUNCTION journal_exchange_halt();
CREATE FUNCTION journal_instrument_halt() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO kpi_streamevent (channel, object_id, detail) VALUES (
        'halts', NEW.id,
        jsonb_build_object('scope', 'instrument', 'symbol', NEW.symbol, 'halted', NEW.halted)
    );
    RETURN NULL;
END $$;
CREATE TRIGGER journal_instrument_halt AFTER UPDATE OF halted ON market_instrument
    FOR EACH ROW WHEN (OLD.halted <> NEW.halted)
    EXECUTE FUNCTION journal_instrument_halt();
CREATE FUNCTION journal_suspension() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO kpi_streamevent (channel, account_id, object_id, detail) VALUES (
        'halts', NEW.id, NEW.id,
        jsonb_build_object('scope', 'account', 'user_id', NEW.user_id, 'halted', NEW.suspended)
    );
    RETURN NULL;
END $$;
CREATE TRIGGER journal_suspension AFTER UPDATE OF suspended ON accounts_account
    FOR EACH ROW WHEN (OLD.suspended <> NEW.suspended)
    EXECUTE FUNCTION journal_suspension();

INSERT INTO kpi_streamhorizon (id, xid) VALUES (1, '0');
