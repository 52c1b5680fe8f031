"""What is out of order is known, from the fault to the recovery, and told to support."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("catalog", "0006_two_sign_prefixes"),
        ("fulfillment", "0008_cards"),
    ]

    operations = [
        migrations.CreateModel(
            name="Outage",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("since", models.DateTimeField()),
                ("until", models.DateTimeField(blank=True, help_text="Empty while it lasts.", null=True)),
                (
                    "error",
                    models.TextField(blank=True, default="", help_text="What is broken, in the station's words."),
                ),
                (
                    "orders",
                    models.JSONField(default=dict, help_text="What became of the orders it met, by their codes."),
                ),
                (
                    "ticket",
                    models.CharField(
                        blank=True, default="", help_text="The operator's ticket about it.", max_length=20
                    ),
                ),
                ("untold", models.BooleanField(default=True, help_text="The ticket does not say yet how it stands.")),
            ],
        ),
        migrations.AddIndex(
            model_name="stationevent",
            index=models.Index(
                condition=models.Q(("type", "com.ev-power-supplier.charging-station.recovered.v1")),
                fields=["station", "time"],
                name="station_event_recovery",
            ),
        ),
        migrations.AddField(
            model_name="outage",
            name="event",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="outages",
                to="fulfillment.stationevent",
            ),
        ),
        migrations.AddField(
            model_name="outage",
            name="evse",
            field=models.ForeignKey(
                blank=True,
                help_text="Empty: all of it.",
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="outages",
                to="catalog.evse",
            ),
        ),
        migrations.AddField(
            model_name="outage",
            name="station",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="outages", to="catalog.station"
            ),
        ),
        migrations.AddIndex(
            model_name="outage",
            index=models.Index(condition=models.Q(("untold", True)), fields=["id"], name="outage_untold"),
        ),
        migrations.AddIndex(
            model_name="outage",
            index=models.Index(condition=models.Q(("until__isnull", True)), fields=["station"], name="outage_open"),
        ),
        migrations.AddConstraint(
            model_name="outage",
            constraint=models.UniqueConstraint(
                condition=models.Q(("evse__isnull", False), ("until__isnull", True)),
                fields=("evse",),
                name="outage_one_open_per_evse",
            ),
        ),
        migrations.AddConstraint(
            model_name="outage",
            constraint=models.UniqueConstraint(
                condition=models.Q(("evse__isnull", True), ("until__isnull", True)),
                fields=("station",),
                name="outage_one_open_of_all",
            ),
        ),
        migrations.AddConstraint(
            model_name="outage",
            constraint=models.UniqueConstraint(
                condition=models.Q(("ticket", ""), _negated=True), fields=("ticket",), name="outage_ticket_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="outage",
            constraint=models.CheckConstraint(
                condition=models.Q(("until__isnull", True), ("until__gte", models.F("since")), _connector="OR"),
                name="outage_forward",
            ),
        ),
    ]
