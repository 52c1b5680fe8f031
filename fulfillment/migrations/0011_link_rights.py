"""A link carries rights, and each deed done by it is on record, once for each form."""

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("catalog", "0006_two_sign_prefixes"),
        ("fulfillment", "0010_telemetry"),
        ("orders", "0020_never_used"),
    ]

    operations = [
        migrations.CreateModel(
            name="LinkDeed",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "name",
                    models.CharField(
                        choices=[
                            ("stop", "Stop charging"),
                            ("extend", "Extend the booked time"),
                            ("report", "Report a problem"),
                            ("rate", "Rate"),
                        ],
                        max_length=6,
                    ),
                ),
                (
                    "number",
                    models.PositiveIntegerField(help_text="How many deeds the link had done when its page was drawn."),
                ),
                ("at", models.DateTimeField()),
                ("said", models.CharField(help_text="What the page answered.", max_length=40)),
            ],
        ),
        migrations.CreateModel(
            name="LinkRules",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("may_stop", models.BooleanField(default=True, help_text="Whoever holds a link may stop its session.")),
                (
                    "may_extend",
                    models.BooleanField(default=True, help_text="Whoever holds a link may extend the booked time."),
                ),
                ("updated_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "verbose_name": "link rules",
                "verbose_name_plural": "link rules",
            },
        ),
        migrations.AddField(
            model_name="tracklink",
            name="deeds_done",
            field=models.PositiveIntegerField(db_default=0, default=0, help_text="How many deeds were done by it."),
        ),
        migrations.AddField(
            model_name="tracklink",
            name="rights",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(
                    choices=[("stop", "Stop charging"), ("extend", "Extend the booked time")], max_length=6
                ),
                blank=True,
                db_default=[],
                default=list,
                help_text="What its holder may do beside looking, reporting a problem and rating.",
                size=None,
            ),
        ),
        migrations.AddConstraint(
            model_name="tracklink",
            constraint=models.CheckConstraint(
                condition=models.Q(("rights__contained_by", ["stop", "extend"])), name="track_link_rights"
            ),
        ),
        migrations.AddField(
            model_name="linkdeed",
            name="link",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="deeds", to="fulfillment.tracklink"
            ),
        ),
        migrations.AddField(
            model_name="linkrules",
            name="operator",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.CASCADE, related_name="link_rules", to="catalog.operator"
            ),
        ),
        migrations.AddConstraint(
            model_name="linkdeed",
            constraint=models.UniqueConstraint(fields=("link", "name", "number"), name="link_deed_once"),
        ),
    ]
