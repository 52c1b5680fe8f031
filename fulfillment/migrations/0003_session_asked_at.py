"""When the present wish of a session came up, so that deadlines can count from it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("fulfillment", "0002_events_out")]

    operations = [
        migrations.AddField(
            model_name="session",
            name="asked_at",
            field=models.DateTimeField(
                blank=True, help_text="When the present wish came up; deadlines count.", null=True
            ),
        ),
    ]
