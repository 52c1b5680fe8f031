"""The table of our own CloudEvents that are owed to the event sink."""

import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("fulfillment", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="EventOut",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("event_id", models.UUIDField(unique=True)),
                ("type", models.CharField(max_length=100)),
                ("subject", models.CharField(max_length=128)),
                ("at", models.DateTimeField()),
                ("data", models.JSONField()),
                (
                    "next_at",
                    models.DateTimeField(
                        blank=True,
                        db_default=django.db.models.functions.datetime.Now(),
                        help_text="Due at; empty once settled.",
                        null=True,
                    ),
                ),
                ("attempts", models.IntegerField(default=0)),
                ("sent_at", models.DateTimeField(blank=True, null=True)),
                ("reason", models.TextField(blank=True, default="", help_text="Why the newest try failed.")),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("next_at__isnull", False)), fields=["next_at"], name="event_out_due"
                    )
                ],
            },
        ),
    ]
