"""Which coupons are shown to everybody?"""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("orders", "0013_one_collection_waits")]

    operations = [
        migrations.AddField(
            model_name="overlay",
            name="advertised",
            field=models.BooleanField(default=False, help_text="A coupon that everybody sees in the search results."),
        ),
        migrations.AddConstraint(
            model_name="overlay",
            constraint=models.CheckConstraint(
                condition=models.Q(advertised=False) | models.Q(kind="coupon", group_code="", bap_id=""),
                name="overlay_advertised_is_for_all",
                violation_error_message="Only a coupon for all, of no group and no one buyer app, can be advertised.",
            ),
        ),
    ]
