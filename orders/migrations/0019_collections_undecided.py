"""Lets payments taken for confirmed orders drop out of the search for those whose order has closed."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("orders", "0018_overlay_code")]

    operations = [
        migrations.AddField(
            model_name="collection",
            name="done",
            field=models.BooleanField(
                default=False, help_text="Taken for a confirmed order: nothing is to be decided any more."
            ),
        ),
        migrations.AddIndex(
            model_name="collection",
            index=models.Index(
                condition=models.Q(
                    ("closing", False),
                    ("done", False),
                    ("state__in", ["waiting", "asked", "open", "authorised", "captured"]),
                ),
                fields=["id"],
                name="collection_undecided",
            ),
        ),
    ]
