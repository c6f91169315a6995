-- Who does something that has no history of its own, and why: a service states it for its own
-- statements (market/kernel/reasons.py).
CREATE FUNCTION stated_actor() RETURNS bigint LANGUAGE sql STABLE
    RETURN nullif(current_setting('exchange.actor', true), '')::bigint;
CREATE FUNCTION with_reason(details jsonb) RETURNS jsonb LANGUAGE sql STABLE
    RETURN details || CASE WHEN current_setting('exchange.reason', true) <> ''
        THEN jsonb_build_object('reason', current_setting('exchange.reason', true)) ELSE '{}' END;

CREATE OR REPLACE FUNCTION capture_suspension() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM audit_capture(
        'account_change', clock_timestamp(), stated_actor(), NEW.user_id, NEW.id,
        'accounts.account:' || NEW.id,
        with_reason(jsonb_build_object(
            'before', jsonb_build_object('suspended', OLD.suspended::text),
            'after', jsonb_build_object('suspended', NEW.suspended::text)))
    );
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION capture_api_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM audit_capture(
        'api_key_change', coalesce(NEW.revoked_at, NEW.created_at), stated_actor(), NEW.user_id,
        NULL, 'accounts.apikey:' || NEW.id,
        with_reason(jsonb_build_object(
            'change', CASE TG_OP WHEN 'INSERT' THEN 'issued' ELSE 'revoked' END,
            'prefix', NEW.prefix, 'label', NEW.label))
    );
    RETURN NULL;
END $$;
