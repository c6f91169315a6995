"""Capture facts in their own transactions as audit records, and let nobody change a record."""

from django.db import migrations

# Details hold text alone, so that no reader can round or reformat what was hashed.
TOOLS = """
CREATE FUNCTION audit_text(facts jsonb) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT coalesce(jsonb_object_agg(key, CASE jsonb_typeof(value)
        WHEN 'number' THEN trim_scale((value #>> '{}')::numeric)::text
        ELSE value #>> '{}' END), '{}')
    FROM jsonb_each(facts)
$$;

CREATE FUNCTION audit_capture(
    kind text, occurred_at timestamptz, actor bigint, concerns_user bigint, concerns_account bigint,
    reference text, details jsonb
) RETURNS void LANGUAGE sql AS $$
    INSERT INTO kpi_auditrecord (
        kind, occurred_at, recorded_at, actor_id, user_id, account_id, reference, details,
        previous_hash, hash
    )
    SELECT audit_capture.kind, audit_capture.occurred_at, clock_timestamp(), actor,
        coalesce(concerns_user,
            (SELECT user_id FROM accounts_account WHERE id = concerns_account)),
        concerns_account, audit_capture.reference, audit_capture.details, '', ''
$$;
"""
DROP_TOOLS = """
DROP FUNCTION audit_capture;
DROP FUNCTION audit_text;
"""

# One function per kind of fact, so that facts from before this migration are captured alike.
FACTS = """
CREATE FUNCTION audit_order(fact trading_order) RETURNS void LANGUAGE sql AS $$
    SELECT audit_capture(
        CASE fact.status WHEN 'REJECTED' THEN 'order_rejected' ELSE 'order_expired' END,
        fact.updated_at, NULL, NULL, fact.account_id, 'order:' || fact.id,
        audit_text(jsonb_build_object(
            'symbol', fact.symbol, 'side', fact.side, 'type', fact.type, 'size', fact.size,
            'price', fact.price, 'leverage', fact.leverage, 'reduce_only', fact.reduce_only,
            'client_order_id', fact.client_order_id, 'venue', fact.venue, 'status', fact.status,
            'reject_code', fact.reject_code, 'reject_detail', fact.reject_detail,
            'filled_size', fact.filled_size, 'created_at', fact.created_at
        ))
    )
$$;

CREATE FUNCTION audit_liquidation(fact trading_liquidation) RETURNS void LANGUAGE sql AS $$
    SELECT audit_capture(
        'liquidation', fact.created_at, NULL, NULL, fact.account_id, 'liquidation:' || fact.id,
        audit_text(to_jsonb(fact) - '{id,account_id,created_at}'::text[])
    )
$$;

CREATE FUNCTION audit_transfer(fact accounts_transfer) RETURNS void LANGUAGE sql AS $$
    SELECT audit_capture(
        'balance_change', fact.created_at, fact.created_by_id, NULL,
        (SELECT id FROM accounts_account
         WHERE id IN (fact.debit_account_id, fact.credit_account_id)
         ORDER BY kind = 'user' DESC, kind = 'insurance' DESC LIMIT 1),
        'transfer:' || fact.id,
        audit_text(to_jsonb(fact) - '{id,created_by_id,created_at}'::text[])
    )
$$;

CREATE FUNCTION audit_staff_action(fact django_admin_log) RETURNS void LANGUAGE sql AS $$
    SELECT audit_capture(
        'staff_action', fact.action_time, fact.user_id,
        CASE about.model WHEN 'accounts.user' THEN about.key
            WHEN 'accounts.apikey' THEN (SELECT user_id FROM accounts_apikey WHERE id = about.key)
            WHEN 'accounts.account' THEN
                (SELECT user_id FROM accounts_account WHERE id = about.key) END,
        CASE about.model WHEN 'accounts.account' THEN about.key END,
        'admin_log:' || fact.id,
        jsonb_build_object(
            'action', (ARRAY['added', 'changed', 'deleted'])[fact.action_flag],
            'model', about.model, 'object', fact.object_id, 'object_name', fact.object_repr,
            'message', fact.change_message
        )
    )
    FROM (
        SELECT (SELECT app_label || '.' || model FROM django_content_type
                WHERE id = fact.content_type_id) AS model,
            CASE WHEN fact.object_id ~ '^[0-9]{1,18}$' THEN fact.object_id::bigint END AS key
    ) AS about
$$;
"""
DROP_FACTS = """
DROP FUNCTION audit_staff_action;
DROP FUNCTION audit_transfer;
DROP FUNCTION audit_liquidation;
DROP FUNCTION audit_order;
"""

BACKFILL = """
SELECT audit_order(fact) FROM trading_order AS fact
    WHERE status = 'REJECTED' OR status = 'EXPIRED' AND reject_code <> '' ORDER BY id;
SELECT audit_liquidation(fact) FROM trading_liquidation AS fact ORDER BY id;
SELECT audit_transfer(fact) FROM accounts_transfer AS fact
    WHERE kind IN ('deposit', 'withdrawal', 'adjustment') OR created_by_id IS NOT NULL ORDER BY id;
SELECT audit_staff_action(fact) FROM django_admin_log AS fact ORDER BY id;
"""

# The conditions stand in WHEN: an accepted order and a fill's transfers call no function.
CAPTURE = """
CREATE FUNCTION capture_order() RETURNS trigger LANGUAGE plpgsql SET timezone = 'UTC' AS $$
BEGIN PERFORM audit_order(NEW); RETURN NULL; END $$;
CREATE TRIGGER audit_refused_order AFTER INSERT ON trading_order
    FOR EACH ROW WHEN (NEW.status = 'REJECTED' OR NEW.status = 'EXPIRED' AND NEW.reject_code <> '')
    EXECUTE FUNCTION capture_order();
CREATE TRIGGER audit_ended_order AFTER UPDATE OF status ON trading_order
    FOR EACH ROW WHEN (
        NEW.status <> OLD.status
        AND (NEW.status = 'REJECTED' OR NEW.status = 'EXPIRED' AND NEW.reject_code <> '')
    )
    EXECUTE FUNCTION capture_order();

CREATE FUNCTION capture_liquidation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM audit_liquidation(NEW); RETURN NULL; END $$;
CREATE TRIGGER audit_liquidation AFTER INSERT ON trading_liquidation
    FOR EACH ROW EXECUTE FUNCTION capture_liquidation();

CREATE FUNCTION capture_transfer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM audit_transfer(NEW); RETURN NULL; END $$;
CREATE TRIGGER audit_transfer AFTER INSERT ON accounts_transfer
    FOR EACH ROW WHEN (
        NEW.kind IN ('deposit', 'withdrawal', 'adjustment') OR NEW.created_by_id IS NOT NULL
    )
    EXECUTE FUNCTION capture_transfer();

CREATE FUNCTION capture_staff_action() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM audit_staff_action(NEW); RETURN NULL; END $$;
CREATE TRIGGER audit_staff_action AFTER INSERT ON django_admin_log
    FOR EACH ROW EXECUTE FUNCTION capture_staff_action();

CREATE FUNCTION capture_suspension() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM audit_capture(
        'account_change', clock_timestamp(), NULL, NEW.user_id, NEW.id,
        'accounts.account:' || NEW.id,
        jsonb_build_object('before', jsonb_build_object('suspended', OLD.suspended::text),
                           'after', jsonb_build_object('suspended', NEW.suspended::text))
    );
    RETURN NULL;
END $$;
CREATE TRIGGER audit_suspension AFTER UPDATE OF suspended ON accounts_account
    FOR EACH ROW WHEN (OLD.suspended <> NEW.suspended) EXECUTE FUNCTION capture_suspension();

CREATE FUNCTION capture_api_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM audit_capture(
        'api_key_change', coalesce(NEW.revoked_at, NEW.created_at), NULL, NEW.user_id, NULL,
        'accounts.apikey:' || NEW.id,
        jsonb_build_object('change', CASE TG_OP WHEN 'INSERT' THEN 'issued' ELSE 'revoked' END,
                           'prefix', NEW.prefix, 'label', NEW.label)
    );
    RETURN NULL;
END $$;
CREATE TRIGGER audit_issued_key AFTER INSERT ON accounts_apikey
    FOR EACH ROW EXECUTE FUNCTION capture_api_key();
CREATE TRIGGER audit_revoked_key AFTER UPDATE OF revoked_at ON accounts_apikey
    FOR EACH ROW WHEN (OLD.revoked_at IS DISTINCT FROM NEW.revoked_at)
    EXECUTE FUNCTION capture_api_key();
"""
DROP_CAPTURE = """
DROP TRIGGER audit_revoked_key ON accounts_apikey;
DROP TRIGGER audit_issued_key ON accounts_apikey;
DROP FUNCTION capture_api_key;
DROP TRIGGER audit_suspension ON accounts_account;
DROP FUNCTION capture_suspension;
DROP TRIGGER audit_staff_action ON django_admin_log;
DROP FUNCTION capture_staff_action;
DROP TRIGGER audit_transfer ON accounts_transfer;
DROP FUNCTION capture_transfer;
DROP TRIGGER audit_liquidation ON trading_liquidation;
DROP FUNCTION capture_liquidation;
DROP TRIGGER audit_ended_order ON trading_order;
DROP TRIGGER audit_refused_order ON trading_order;
DROP FUNCTION capture_order;
"""

# Deferred to the commit: by then the history says who did it, if a service did. What is written
# past the services has no history and still gets its record. A history row is of this transaction
# when it is visible and no older than its beginning.
CONFIGURATION = """
CREATE FUNCTION capture_configuration() RETURNS trigger LANGUAGE plpgsql SET timezone = 'UTC' AS $$
DECLARE
    hidden constant text[] :=
        '{password,last_login,first_name,last_name,email,mark_price,marked_at,mark_source}';
    before jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) - hidden END;
    after jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) - hidden END;
    key text := coalesce(after, before) ->> TG_ARGV[2];
    who bigint;
    known boolean;
BEGIN
    IF before = after THEN
        RETURN NULL;
    END IF;
    EXECUTE format(
        'SELECT history_user_id, true FROM %I AS history WHERE %I::text = $1 '
        'AND age(xmin) <= age(pg_current_xact_id()::xid) '
        'AND to_jsonb(history) @> $2 ORDER BY history_id DESC LIMIT 1', TG_ARGV[1], TG_ARGV[2]
    ) INTO who, known USING key, coalesce(after, before);
    IF TG_OP = 'UPDATE' THEN
        SELECT jsonb_object_agg(name, before -> name), jsonb_object_agg(name, after -> name)
        INTO before, after
        FROM jsonb_object_keys(after) AS name WHERE before -> name IS DISTINCT FROM after -> name;
    END IF;
    PERFORM audit_capture(
        'configuration_change', clock_timestamp(), who,
        CASE TG_ARGV[0] WHEN 'accounts.user' THEN key::bigint END, NULL,
        TG_ARGV[0] || ':' || key,
        jsonb_build_object('before', audit_text(coalesce(before, '{}')),
                           'after', audit_text(coalesce(after, '{}')),
                           'change', lower(TG_OP), 'in_history', coalesce(known, false)::text)
    );
    RETURN NULL;
END $$;
"""
CAPTURE_CONFIGURATION = """
CREATE CONSTRAINT TRIGGER audit_configuration AFTER INSERT OR DELETE OR UPDATE {columns} ON {table}
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION capture_configuration('{label}', '{history}', '{key}');
"""
#: Model, its table and that of its history, primary key, columns (all where none is named).
CONFIGURED = [
    ("risk.riskpolicy", "risk_riskpolicy", "risk_historicalriskpolicy", "id", ""),
    ("risk.leveragelimit", "risk_leveragelimit", "risk_historicalleveragelimit", "tier", ""),
    (
        "accounts.accountpolicy",
        "accounts_accountpolicy",
        "accounts_historicalaccountpolicy",
        "id",
        "",
    ),
    (
        "accounts.user",
        "accounts_user",
        "accounts_historicaluser",
        "id",
        "OF username, tier, is_active, is_staff, is_superuser",
    ),
    (
        "market.instrument",
        "market_instrument",
        "market_historicalinstrument",
        "id",
        "OF symbol, base_asset, quote_asset, tick_size, lot_size, min_notional,"
        " maker_fee_rate, taker_fee_rate, halted",
    ),
    ("kpi.alertrule", "kpi_alertrule", "kpi_historicalalertrule", "id", ""),
]

RIGHTS = """
CREATE FUNCTION capture_rights() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    fact jsonb := CASE TG_OP WHEN 'INSERT' THEN to_jsonb(NEW) ELSE to_jsonb(OLD) END;
BEGIN
    PERFORM audit_capture(
        'rights_change', clock_timestamp(), NULL, (fact ->> 'user_id')::bigint, NULL,
        TG_TABLE_NAME || ':' || (fact ->> 'id'),
        jsonb_build_object(
            'change', CASE TG_OP WHEN 'INSERT' THEN 'granted' ELSE 'withdrawn' END,
            'group', (SELECT name FROM auth_group WHERE id = (fact ->> 'group_id')::bigint),
            'permission', (
                SELECT type.app_label || '.' || permission.codename
                FROM auth_permission AS permission
                JOIN django_content_type AS type ON type.id = permission.content_type_id
                WHERE permission.id = (fact ->> 'permission_id')::bigint
            )
        )
    );
    RETURN NULL;
END $$;
"""
CAPTURE_RIGHTS = """
CREATE TRIGGER audit_rights AFTER INSERT OR DELETE ON {table}
    FOR EACH ROW EXECUTE FUNCTION capture_rights();
"""
RIGHTS_TABLES = ["accounts_user_groups", "accounts_user_user_permissions", "auth_group_permissions"]

# The only change of a record is its sealing, which changes nothing that was captured.
GUARDS = """
CREATE TRIGGER audit_record_is_captured BEFORE INSERT ON kpi_auditrecord
    FOR EACH ROW WHEN (pg_trigger_depth() = 0 OR NEW.sequence IS NOT NULL)
    EXECUTE FUNCTION refuse_change('an audit record is captured by a trigger, never written');
CREATE TRIGGER audit_record_is_fixed BEFORE UPDATE ON kpi_auditrecord
    FOR EACH ROW WHEN (
        OLD.sequence IS NOT NULL OR NEW.sequence IS NULL
        OR (OLD.id, OLD.kind, OLD.occurred_at, OLD.recorded_at, OLD.actor_id, OLD.user_id,
            OLD.account_id, OLD.reference, OLD.details)
        IS DISTINCT FROM
           (NEW.id, NEW.kind, NEW.occurred_at, NEW.recorded_at, NEW.actor_id, NEW.user_id,
            NEW.account_id, NEW.reference, NEW.details)
    )
    EXECUTE FUNCTION refuse_change('an audit record never changes');
CREATE TRIGGER audit_record_is_kept BEFORE DELETE OR TRUNCATE ON kpi_auditrecord
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('an audit record is never deleted');
CREATE TRIGGER audit_head_goes_forward BEFORE UPDATE ON kpi_audithead
    FOR EACH ROW WHEN (
        NEW.* IS DISTINCT FROM OLD.* AND (NEW.id <> OLD.id OR NEW.sequence <= OLD.sequence)
    )
    EXECUTE FUNCTION refuse_change('the head of the audit trail goes forward only');
CREATE TRIGGER audit_head_is_kept BEFORE DELETE OR TRUNCATE ON kpi_audithead
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('the head of the audit trail is one row, always');
"""
DROP_GUARDS = """
DROP TRIGGER audit_head_is_kept ON kpi_audithead;
DROP TRIGGER audit_head_goes_forward ON kpi_audithead;
DROP TRIGGER audit_record_is_kept ON kpi_auditrecord;
DROP TRIGGER audit_record_is_fixed ON kpi_auditrecord;
DROP TRIGGER audit_record_is_captured ON kpi_auditrecord;
"""


def create_head_and_rule(apps, schema_editor):
    apps.get_model("kpi", "AuditHead").objects.get_or_create(id=1, defaults={"hash": "0" * 64})
    apps.get_model("kpi", "AlertRule").objects.get_or_create(
        kind="audit_differences",
        severity="critical",
        defaults={"threshold": 0, "window_seconds": 300},
    )


class Migration(migrations.Migration):
    dependencies = [
        ("kpi", "0011_regulators"),
        ("accounts", "0003_guards"),
        ("market", "0005_guards"),
        ("risk", "0005_guards"),
        ("trading", "0003_guards"),
        ("admin", "0003_logentry_add_action_flag_choices"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [
        migrations.RunPython(create_head_and_rule, migrations.RunPython.noop),
        migrations.RunSQL(TOOLS, DROP_TOOLS),
        migrations.RunSQL(FACTS, DROP_FACTS),
        migrations.RunSQL(BACKFILL, migrations.RunSQL.noop),
        migrations.RunSQL(CAPTURE, DROP_CAPTURE),
        migrations.RunSQL(CONFIGURATION, "DROP FUNCTION capture_configuration;"),
        *(
            migrations.RunSQL(
                CAPTURE_CONFIGURATION.format(
                    label=label, table=table, history=history, key=key, columns=columns
                ),
                f"DROP TRIGGER audit_configuration ON {table};",
            )
            for label, table, history, key, columns in CONFIGURED
        ),
        migrations.RunSQL(RIGHTS, "DROP FUNCTION capture_rights;"),
        *(
            migrations.RunSQL(
                CAPTURE_RIGHTS.format(table=table), f"DROP TRIGGER audit_rights ON {table};"
            )
            for table in RIGHTS_TABLES
        ),
        migrations.RunSQL(GUARDS, DROP_GUARDS),
    ]
