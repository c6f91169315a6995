-- A kill ends, with what it has cancelled by then, once what it set is loosened: orders are accepted
-- again, so that nobody may go on with it. However staff do that, it is in the same transaction.
CREATE FUNCTION end_loosened_kills(account bigint, instrument bigint, halted boolean, reducing boolean)
    RETURNS void LANGUAGE sql AS $$
    UPDATE trading_kill SET finished_at = clock_timestamp()
    WHERE finished_at IS NULL AND NOT halted AND (state = 'HALTED' OR NOT reducing)
        AND account_id IS NOT DISTINCT FROM account
        AND instrument_id IS NOT DISTINCT FROM instrument;
$$;

CREATE FUNCTION account_ends_kills() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM end_loosened_kills(NEW.id, NULL, NEW.suspended, NEW.reducing);
    RETURN NULL;
END $$;
CREATE TRIGGER account_ends_kills AFTER UPDATE OF suspended, reducing ON accounts_account
    FOR EACH ROW WHEN (OLD.suspended AND NOT NEW.suspended OR OLD.reducing AND NOT NEW.reducing)
    EXECUTE FUNCTION account_ends_kills();

-- What halts an instrument is a quote, while one waits for review, unless staff halted it too.
CREATE FUNCTION is_halted_by_staff(instrument market_instrument) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT coalesce((SELECT stays_halted FROM market_pricehalt
                     WHERE instrument_id = instrument.id AND released_at IS NULL), instrument.halted);
$$;
CREATE FUNCTION instrument_ends_kills() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM end_loosened_kills(NULL, NEW.id, is_halted_by_staff(NEW), NEW.reducing);
    RETURN NULL;
END $$;
CREATE TRIGGER instrument_ends_kills AFTER UPDATE OF halted, reducing ON market_instrument
    FOR EACH ROW WHEN (OLD.halted <> NEW.halted OR OLD.reducing <> NEW.reducing)
    EXECUTE FUNCTION instrument_ends_kills();

CREATE FUNCTION exchange_ends_kills() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM end_loosened_kills(NULL, NULL, NEW.trading_halted, NEW.trading_reducing);
    RETURN NULL;
END $$;
CREATE TRIGGER exchange_ends_kills AFTER UPDATE OF trading_halted, trading_reducing
    ON risk_riskpolicy
    FOR EACH ROW WHEN (OLD.trading_halted AND NOT NEW.trading_halted
                       OR OLD.trading_reducing AND NOT NEW.trading_reducing)
    EXECUTE FUNCTION exchange_ends_kills();

-- Those whose state was loosened before this release.
SELECT end_loosened_kills(id, NULL, suspended, reducing) FROM accounts_account
WHERE id IN (SELECT account_id FROM trading_kill WHERE finished_at IS NULL);
SELECT end_loosened_kills(NULL, id, is_halted_by_staff(one), reducing) FROM market_instrument AS one
WHERE id IN (SELECT instrument_id FROM trading_kill WHERE finished_at IS NULL);
SELECT end_loosened_kills(NULL, NULL, trading_halted, trading_reducing) FROM risk_riskpolicy;
