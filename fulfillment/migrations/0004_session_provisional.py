"""Marks sessions that were billed without their last register, to be billed again once it is told."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("catalog", "0005_tariff_versions"),
        ("fulfillment", "0003_session_asked_at"),
        ("orders", "0012_overlays"),
    ]

    operations = [
        migrations.AddField(
            model_name="session",
            name="provisional",
            field=models.BooleanField(default=False, help_text="Billed without the last register; it may come late."),
        ),
        migrations.AddIndex(
            model_name="session",
            index=models.Index(
                condition=models.Q(("provisional", True)), fields=["updated_at"], name="session_provisional"
            ),
        ),
    ]
