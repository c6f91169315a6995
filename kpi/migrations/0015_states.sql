-- A change of either switch is one of the state. The trail tells those that changed; the stream tells
-- `halted` as ever, and `state` where REDUCING begins or ends.
DROP TRIGGER audit_configuration ON market_instrument;
CREATE CONSTRAINT TRIGGER audit_configuration AFTER INSERT OR DELETE OR UPDATE
    OF symbol, base_asset, quote_asset, tick_size, lot_size, min_notional, max_order_size,
       max_order_value, maker_fee_rate, taker_fee_rate, halted, reducing, price_collar
    ON market_instrument DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION capture_configuration('market.instrument', 'market_historicalinstrument', 'id');

CREATE FUNCTION changed_switch(name text, before boolean, after boolean, OUT was jsonb, OUT is_now jsonb)
    LANGUAGE sql IMMUTABLE
    RETURN (
        CASE WHEN before <> after THEN jsonb_build_object(name, before::text) ELSE '{}' END,
        CASE WHEN before <> after THEN jsonb_build_object(name, after::text) ELSE '{}' END
    );
CREATE OR REPLACE FUNCTION capture_suspension() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM audit_capture(
        'account_change', clock_timestamp(), stated_actor(), NEW.user_id, NEW.id,
        'accounts.account:' || NEW.id,
        with_reason(jsonb_build_object(
            'before', suspended.was || reducing.was, 'after', suspended.is_now || reducing.is_now))
    ) FROM changed_switch('suspended', OLD.suspended, NEW.suspended) AS suspended,
        changed_switch('reducing', OLD.reducing, NEW.reducing) AS reducing;
    RETURN NULL;
END $$;
DROP TRIGGER audit_suspension ON accounts_account;
CREATE TRIGGER audit_suspension AFTER UPDATE OF suspended, reducing ON accounts_account
    FOR EACH ROW WHEN (OLD.suspended <> NEW.suspended OR OLD.reducing <> NEW.reducing)
    EXECUTE FUNCTION capture_suspension();

CREATE FUNCTION halt_event(scope jsonb, halted boolean, was_reducing boolean, reducing boolean)
    RETURNS jsonb LANGUAGE sql IMMUTABLE
    RETURN scope || jsonb_build_object('halted', halted) || CASE WHEN was_reducing OR reducing
        THEN jsonb_build_object('state',
            CASE WHEN halted THEN 'HALTED' WHEN reducing THEN 'REDUCING' ELSE 'ACTIVE' END)
        ELSE '{}' END;

CREATE OR REPLACE FUNCTION journal_exchange_halt() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO kpi_streamevent (channel, detail) VALUES (
        'halts', halt_event(jsonb_build_object('scope', 'exchange'),
                            NEW.trading_halted, OLD.trading_reducing, NEW.trading_reducing)
    );
    RETURN NULL;
END $$;
DROP TRIGGER journal_exchange_halt ON risk_riskpolicy;
CREATE TRIGGER journal_exchange_halt AFTER UPDATE OF trading_halted, trading_reducing
    ON risk_riskpolicy
    FOR EACH ROW WHEN (OLD.trading_halted <> NEW.trading_halted
                       OR OLD.trading_reducing <> NEW.trading_reducing)
    EXECUTE FUNCTION journal_exchange_halt();

CREATE OR REPLACE FUNCTION journal_instrument_halt() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO kpi_streamevent (channel, object_id, detail) VALUES (
        'halts', NEW.id, halt_event(jsonb_build_object('scope', 'instrument', 'symbol', NEW.symbol),
                                    NEW.halted, OLD.reducing, NEW.reducing)
    );
    RETURN NULL;
END $$;
DROP TRIGGER journal_instrument_halt ON market_instrument;
CREATE TRIGGER journal_instrument_halt AFTER UPDATE OF halted, reducing ON market_instrument
    FOR EACH ROW WHEN (OLD.halted <> NEW.halted OR OLD.reducing <> NEW.reducing)
    EXECUTE FUNCTION journal_instrument_halt();

CREATE OR REPLACE FUNCTION journal_suspension() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO kpi_streamevent (channel, account_id, object_id, detail) VALUES (
        'halts', NEW.id, NEW.id,
        halt_event(jsonb_build_object('scope', 'account', 'user_id', NEW.user_id),
                   NEW.suspended, OLD.reducing, NEW.reducing)
    );
    RETURN NULL;
END $$;
DROP TRIGGER journal_suspension ON accounts_account;
CREATE TRIGGER journal_suspension AFTER UPDATE OF suspended, reducing ON accounts_account
    FOR EACH ROW WHEN (OLD.suspended <> NEW.suspended OR OLD.reducing <> NEW.reducing)
    EXECUTE FUNCTION journal_suspension();

CREATE FUNCTION journal_tier_state() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO kpi_streamevent (channel, detail) VALUES (
        'halts', jsonb_build_object('scope', 'tier', 'tier', NEW.tier,
                                    'halted', NEW.tier_state = 'HALTED', 'state', NEW.tier_state)
    );
    RETURN NULL;
END $$;
CREATE TRIGGER journal_tier_state AFTER UPDATE OF tier_state ON risk_leveragelimit
    FOR EACH ROW WHEN (OLD.tier_state <> NEW.tier_state) EXECUTE FUNCTION journal_tier_state();
