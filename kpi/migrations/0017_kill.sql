-- One record of a kill, once it is finished, with how many orders it cancelled.
CREATE FUNCTION capture_kill() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM audit_capture(
        'kill', NEW.finished_at, NEW.started_by_id,
        (SELECT user_id FROM accounts_account WHERE id = NEW.account_id), NEW.account_id,
        'trading.kill:' || NEW.id,
        audit_text(to_jsonb(NEW) - '{id,finished_at,started_by_id,account_id,instrument_id}'::text[]
            || jsonb_build_object('scope', CASE
                WHEN NEW.account_id IS NOT NULL THEN 'account'
                WHEN NEW.instrument_id IS NOT NULL
                    THEN (SELECT symbol FROM market_instrument WHERE id = NEW.instrument_id)
                ELSE 'everybody' END))
    );
    RETURN NULL;
END $$;
CREATE TRIGGER audit_kill AFTER UPDATE OF finished_at ON trading_kill
    FOR EACH ROW WHEN (OLD.finished_at IS NULL AND NEW.finished_at IS NOT NULL)
    EXECUTE FUNCTION capture_kill();
