CREATE CONSTRAINT TRIGGER audit_configuration AFTER INSERT OR DELETE OR UPDATE
    ON accounts_ratelimit DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION capture_configuration('accounts.ratelimit', 'accounts_historicalratelimit', 'id');
