"""Record the quotes that halted an instrument and the prices that persons set; show regulators."""

from django.apps import apps as installed
from django.contrib.auth.management import create_permissions
from django.db import migrations, models

KINDS = [
    ("staff_action", "Staff action"),
    ("configuration_change", "Configuration change"),
    ("rights_change", "Change of rights"),
    ("account_change", "Account suspended or resumed"),
    ("api_key_change", "API key issued or revoked"),
    ("balance_change", "Balance change"),
    ("order_rejected", "Order rejected"),
    ("order_expired", "Order expired"),
    ("liquidation", "Liquidation"),
    ("answer_settled", "Parked answer settled"),
    ("price_halt", "Instrument halted by a quote"),
    ("price_set", "Mark price set by a person"),
]

CAPTURE = """
CREATE FUNCTION audit_price_halt(fact market_pricehalt) RETURNS void LANGUAGE sql AS $$
    SELECT audit_capture(
        'price_halt', fact.halted_at, NULL, NULL, NULL, 'price_halt:' || fact.id,
        audit_text(jsonb_build_object(
            'symbol', (SELECT symbol FROM market_instrument WHERE id = fact.instrument_id),
            'mark_price', fact.mark_price, 'mark_source', fact.mark_source,
            'price', fact.price, 'source', fact.source, 'collar', fact.collar
        ))
    )
$$;
CREATE FUNCTION capture_price_halt() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM audit_price_halt(NEW); RETURN NULL; END $$;
CREATE TRIGGER audit_price_halt AFTER INSERT ON market_pricehalt
    FOR EACH ROW EXECUTE FUNCTION capture_price_halt();
SELECT audit_price_halt(fact) FROM market_pricehalt AS fact ORDER BY id;

CREATE FUNCTION audit_manual_price(fact trading_manualprice) RETURNS void LANGUAGE sql AS $$
    SELECT audit_capture(
        'price_set', fact.created_at, fact.created_by_id, NULL, NULL, 'manual_price:' || fact.id,
        audit_text(jsonb_build_object(
            'symbol', (SELECT symbol FROM market_instrument WHERE id = fact.instrument_id),
            'price', fact.price, 'previous_price', fact.previous_price, 'way', fact.way,
            'beyond_collar', fact.beyond_collar
        ))
    )
$$;
CREATE FUNCTION capture_manual_price() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM audit_manual_price(NEW); RETURN NULL; END $$;
CREATE TRIGGER audit_manual_price AFTER INSERT ON trading_manualprice
    FOR EACH ROW EXECUTE FUNCTION capture_manual_price();
"""
DROP_CAPTURE = """
DROP TRIGGER audit_manual_price ON trading_manualprice;
DROP FUNCTION capture_manual_price;
DROP FUNCTION audit_manual_price;
DROP TRIGGER audit_price_halt ON market_pricehalt;
DROP FUNCTION capture_price_halt;
DROP FUNCTION audit_price_halt;
"""


def let_regulators_see(apps, schema_editor):
    """Django creates permissions after all migrations; the group, where it is kept, needs them now."""
    for app in ("market", "trading"):
        create_permissions(installed.get_app_config(app), verbosity=0)
    permissions = apps.get_model("auth", "Permission").objects
    seen = permissions.filter(codename__in=["view_pricehalt", "view_manualprice"])
    for group in apps.get_model("auth", "Group").objects.filter(name="regulator"):
        group.permissions.add(*seen)


class Migration(migrations.Migration):
    dependencies = [
        ("kpi", "0017_check_ages"),
        ("market", "0007_price_halts"),
        ("trading", "0010_manual_prices"),
        ("auth", "0012_alter_user_first_name_max_length"),
    ]

    operations = [
        migrations.RemoveConstraint(model_name="auditrecord", name="audit_kind_known"),
        migrations.AlterField(
            model_name="auditrecord",
            name="kind",
            field=models.CharField(choices=KINDS, max_length=24),
        ),
        migrations.AddConstraint(
            model_name="auditrecord",
            constraint=models.CheckConstraint(
                condition=models.Q(kind__in=[kind for kind, _ in KINDS]), name="audit_kind_known"
            ),
        ),
        migrations.RunPython(let_regulators_see, migrations.RunPython.noop),
        migrations.RunSQL(CAPTURE, DROP_CAPTURE),
    ]
