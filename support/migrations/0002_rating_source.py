"""A rating says where it was given."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("support", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="rating",
            name="source",
            field=models.CharField(
                choices=[("app", "Buyer app"), ("form", "Feedback form"), ("page", "Live page")],
                db_default="app",
                default="app",
                help_text="Where the value was given.",
                max_length=4,
            ),
        ),
    ]
