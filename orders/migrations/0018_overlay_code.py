"""Lets a code stand once at an operator however it is typed: customers may type it in any case."""

from django.db import migrations, models
from django.db.models.functions import Upper

# Of codes that differ in capitals alone the oldest stays; the others get their number at the end.
APART = """
UPDATE orders_overlay AS overlay SET code = left(overlay.code, 40) || '-' || overlay.id
WHERE EXISTS (
  SELECT 1 FROM orders_overlay AS older
  WHERE older.operator_id = overlay.operator_id AND upper(older.code) = upper(overlay.code) AND older.id < overlay.id
);
"""


class Migration(migrations.Migration):
    dependencies = [("orders", "0017_cancellation_place")]

    operations = [
        # Backwards the codes stay as they are: they are apart for the older rule too.
        migrations.RunSQL(APART, migrations.RunSQL.noop),
        migrations.RemoveConstraint(model_name="overlay", name="overlay_code"),
        migrations.AddConstraint(
            model_name="overlay",
            constraint=models.UniqueConstraint(
                "operator",
                Upper("code"),
                name="overlay_code",
                violation_error_message="This operator has that code already; capitals make no difference.",
            ),
        ),
    ]
