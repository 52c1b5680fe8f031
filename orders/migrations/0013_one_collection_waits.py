from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("orders", "0012_overlays"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="collection",
            name="collection_one_live",
        ),
        migrations.AddConstraint(
            model_name="collection",
            constraint=models.UniqueConstraint(
                condition=models.Q(("closing", False), ("state__in", ["waiting", "asked", "open"])),
                fields=("order",),
                name="collection_one_live",
            ),
        ),
    ]
