-- What differs from a key without terms is told of an issued one; of a changed one, before and after.
CREATE OR REPLACE FUNCTION capture_api_key() RETURNS trigger LANGUAGE plpgsql SET timezone = 'UTC'
AS $$
DECLARE
    before jsonb := CASE TG_OP WHEN 'INSERT'
        THEN '{"scopes": "read trade", "expires_at": null, "networks": "", "replaces": null}'
        ELSE audit_text(jsonb_build_object(
            'scopes', OLD.scopes, 'expires_at', OLD.expires_at,
            'networks', array_to_string(OLD.networks, ', '), 'replaces', OLD.replaces_id)) END;
    after jsonb := audit_text(jsonb_build_object(
        'scopes', NEW.scopes, 'expires_at', NEW.expires_at,
        'networks', array_to_string(NEW.networks, ', '), 'replaces', NEW.replaces_id));
    changed text[] := ARRAY(
        SELECT key FROM jsonb_object_keys(after) AS key
        WHERE after -> key IS DISTINCT FROM before -> key);
    was jsonb := (SELECT jsonb_object_agg(key, before -> key) FROM unnest(changed) AS key);
    became jsonb := (SELECT jsonb_object_agg(key, after -> key) FROM unnest(changed) AS key);
BEGIN
    PERFORM audit_capture(
        'api_key_change',
        CASE WHEN TG_OP = 'INSERT' THEN NEW.created_at
            WHEN OLD.revoked_at IS DISTINCT FROM NEW.revoked_at
                THEN coalesce(NEW.revoked_at, NEW.created_at)
            ELSE clock_timestamp() END,
        stated_actor(), NEW.user_id, NULL, 'accounts.apikey:' || NEW.id,
        with_reason(jsonb_build_object(
            'change', CASE WHEN TG_OP = 'INSERT' THEN 'issued'
                WHEN OLD.revoked_at IS DISTINCT FROM NEW.revoked_at THEN 'revoked'
                ELSE 'terms changed' END,
            'prefix', NEW.prefix, 'label', NEW.label)
            || CASE WHEN was IS NULL THEN '{}' WHEN TG_OP = 'INSERT' THEN became
                ELSE jsonb_build_object('before', was, 'after', became) END)
    );
    RETURN NULL;
END $$;
CREATE TRIGGER audit_key_terms AFTER UPDATE OF scopes, expires_at, networks ON accounts_apikey
    FOR EACH ROW WHEN (
        OLD.revoked_at IS NOT DISTINCT FROM NEW.revoked_at
        AND (OLD.scopes, OLD.expires_at, OLD.networks)
            IS DISTINCT FROM (NEW.scopes, NEW.expires_at, NEW.networks)
    )
    EXECUTE FUNCTION capture_api_key();
