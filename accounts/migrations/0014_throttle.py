"""What the throttle of repeated execution notes of an account that it lets only reduce."""

from django.db import migrations, models

from market.migrations._shorthand import sql_beside


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0013_request_weights"),
    ]

    operations = [
        migrations.AddField(
            model_name="account",
            name="fills_before",
            field=models.BigIntegerField(
                db_default=0,
                default=0,
                editable=False,
                help_text="The number of the fill that it counted last by then: those up to it count no more.",
            ),
        ),
        migrations.AddField(
            model_name="account",
            name="throttled",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                editable=False,
                help_text="What the throttle of repeated execution counted when it set reducing, such as 5 fills in 60 s; staff end that with the state.",
                max_length=40,
            ),
        ),
        migrations.AddConstraint(
            model_name="account",
            constraint=models.CheckConstraint(
                condition=models.Q(("throttled", ""), ("reducing", True), _connector="OR"),
                name="account_throttled_reduces",
            ),
        ),
        migrations.AddConstraint(
            model_name="account",
            constraint=models.CheckConstraint(
                condition=models.Q(("fills_before__gte", 0)), name="account_fills_not_negative"
            ),
        ),
        migrations.AddIndex(
            model_name="account",
            index=models.Index(
                condition=models.Q(("throttled", ""), _negated=True),
                fields=["id"],
                name="account_throttled",
            ),
        ),
        sql_beside(__file__),
    ]
