DROP TRIGGER api_key_is_fixed ON accounts_apikey;
CREATE TRIGGER api_key_is_fixed
    BEFORE UPDATE OF id, user_id, prefix, key_hash, replaces_id ON accounts_apikey
    FOR EACH ROW WHEN (
        (OLD.id, OLD.user_id, OLD.prefix, OLD.key_hash, OLD.replaces_id)
        IS DISTINCT FROM (NEW.id, NEW.user_id, NEW.prefix, NEW.key_hash, NEW.replaces_id)
    )
    EXECUTE FUNCTION refuse_change('an API key keeps its secret and its user: issue another one');
