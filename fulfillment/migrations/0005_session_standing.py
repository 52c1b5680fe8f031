"""Since when does a vehicle stand after its charging, and when did it leave?"""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("fulfillment", "0004_session_provisional")]

    operations = [
        migrations.AddField(
            model_name="session",
            name="standing_at",
            field=models.DateTimeField(
                blank=True,
                help_text="When the station said that the vehicle stands there, done with charging.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="session",
            name="left_at",
            field=models.DateTimeField(blank=True, help_text="When the station said after that: free.", null=True),
        ),
        migrations.AddConstraint(
            model_name="session",
            constraint=models.CheckConstraint(
                condition=models.Q(left_at__isnull=True)
                | models.Q(standing_at__isnull=False, left_at__gte=models.F("ended_at")),
                name="session_stood_then_left",
            ),
        ),
        migrations.AddIndex(
            model_name="session",
            index=models.Index(
                fields=["evse"],
                name="session_standing",
                condition=models.Q(standing_at__isnull=False, left_at__isnull=True),
            ),
        ),
    ]
