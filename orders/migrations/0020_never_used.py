"""Drops an index that no query reads and a state that no collection was ever in."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("orders", "0019_collections_undecided")]

    operations = [
        migrations.RemoveIndex(model_name="reservation", name="reservation_updated"),
        migrations.AlterField(
            model_name="collection",
            name="state",
            field=models.CharField(
                choices=[
                    ("waiting", "Not due yet"),
                    ("asked", "Link to be made"),
                    ("open", "Waits for the payer"),
                    ("authorised", "Held by the provider"),
                    ("captured", "Taken"),
                    ("released", "Given free"),
                    ("expired", "Not paid in time"),
                    ("alarm", "Needs a person"),
                ],
                default="asked",
                max_length=10,
            ),
        ),
    ]
