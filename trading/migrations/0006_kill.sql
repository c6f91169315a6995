CREATE TRIGGER kill_is_kept BEFORE DELETE OR TRUNCATE ON trading_kill
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('a kill is history and never deleted');
CREATE TRIGGER kill_is_fixed BEFORE UPDATE ON trading_kill
    FOR EACH ROW WHEN (
        OLD.finished_at IS NOT NULL AND OLD.* IS DISTINCT FROM NEW.*
        OR NEW.canceled < OLD.canceled
        OR (OLD.id, OLD.account_id, OLD.instrument_id, OLD.state, OLD.reason, OLD.started_at,
            OLD.started_by_id)
        IS DISTINCT FROM
           (NEW.id, NEW.account_id, NEW.instrument_id, NEW.state, NEW.reason, NEW.started_at,
            NEW.started_by_id)
    )
    EXECUTE FUNCTION refuse_change('a kill counts up until it is finished, and then never changes');
