CREATE TRIGGER rate_limit_is_kept BEFORE DELETE OR TRUNCATE ON accounts_ratelimit
    FOR EACH STATEMENT
    EXECUTE FUNCTION refuse_change('each tier and scope has its rate limits, always: empty them');
CREATE TRIGGER rate_limit_is_fixed BEFORE UPDATE OF id, tier, scopes ON accounts_ratelimit
    FOR EACH ROW WHEN ((OLD.id, OLD.tier, OLD.scopes) IS DISTINCT FROM (NEW.id, NEW.tier, NEW.scopes))
    EXECUTE FUNCTION refuse_change('rate limits stay those of their tier and scopes');
