-- Per statement, and each account once: a close-out changes many positions of an account.
CREATE FUNCTION touch_position_accounts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO risk_touchedaccount (account_id) SELECT DISTINCT account_id FROM written;
    RETURN NULL;
END $$;
DROP TRIGGER risk_position_touches ON risk_position;
DROP FUNCTION touch_position_account();
CREATE TRIGGER risk_position_touches_new AFTER INSERT ON risk_position
    REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION touch_position_accounts();
CREATE TRIGGER risk_position_touches_changed AFTER UPDATE ON risk_position
    REFERENCING NEW TABLE AS written
    FOR EACH STATEMENT EXECUTE FUNCTION touch_position_accounts();

-- A session keeps the plans of foreign keys' checks. Those made while a table was small would read
-- all of it, for every row, once it has grown.
ALTER FUNCTION move_exposure(jsonb, numeric, numeric, numeric) SET enable_seqscan = off;
