CREATE TRIGGER position_is_kept BEFORE DELETE OR TRUNCATE ON risk_position
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('a position is history and never deleted');
CREATE TRIGGER position_is_fixed BEFORE UPDATE OF id, account_id, instrument_id, opened_at
    ON risk_position
    FOR EACH ROW WHEN (
        (OLD.id, OLD.account_id, OLD.instrument_id, OLD.opened_at)
        IS DISTINCT FROM (NEW.id, NEW.account_id, NEW.instrument_id, NEW.opened_at)
    )
    EXECUTE FUNCTION refuse_change('a position keeps its account, its instrument and its beginning');
CREATE TRIGGER position_closed_is_final BEFORE UPDATE ON risk_position
    FOR EACH ROW WHEN (OLD.status <> 'OPEN' AND OLD.* IS DISTINCT FROM NEW.*)
    EXECUTE FUNCTION refuse_change('a closed position never changes: the next fill opens a new row');

CREATE TRIGGER risk_policy_is_kept BEFORE DELETE OR TRUNCATE ON risk_riskpolicy
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('the risk policy is one row, always');
CREATE TRIGGER global_exposure_is_kept BEFORE DELETE OR TRUNCATE ON risk_globalexposure
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('global exposure is one row, always');
CREATE TRIGGER instrument_exposure_is_kept BEFORE DELETE OR TRUNCATE ON risk_instrumentexposure
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('exposure is reduced by fills, never deleted');
CREATE TRIGGER reservation_is_kept BEFORE DELETE OR TRUNCATE ON risk_reservation
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('reservations are released, never deleted');

-- Whatever changes a position, or lowers a balance, calls the account's bound into question.
CREATE FUNCTION touch_position_account() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO risk_touchedaccount (account_id) VALUES (NEW.account_id);
    RETURN NULL;
END $$;
CREATE TRIGGER risk_position_touches AFTER INSERT OR UPDATE ON risk_position
    FOR EACH ROW EXECUTE FUNCTION touch_position_account();
CREATE FUNCTION touch_own_account() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO risk_touchedaccount (account_id) VALUES (NEW.id);
    RETURN NULL;
END $$;
CREATE TRIGGER accounts_account_touches AFTER UPDATE OF balance ON accounts_account
    FOR EACH ROW WHEN (NEW.balance < OLD.balance) EXECUTE FUNCTION touch_own_account();
