"""Whose word on the meter was the last, the station's or an operator's?"""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("fulfillment", "0005_session_standing")]

    operations = [
        migrations.AddField(
            model_name="session",
            name="by_hand",
            field=models.BooleanField(
                default=False,
                help_text="An operator put the meter right: what the station tells afterwards changes no bill.",
            ),
        ),
    ]
