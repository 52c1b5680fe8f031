"""Of walk-ins that ended long ago only a reading each minute is kept."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("fulfillment", "0012_notices")]

    operations = [
        migrations.AddField(
            model_name="walkin",
            name="thinned_at",
            field=models.DateTimeField(
                blank=True, editable=False, help_text="When all but a reading each minute were deleted.", null=True
            ),
        ),
        migrations.AddIndex(
            model_name="walkin",
            index=models.Index(
                condition=models.Q(("thinned_at__isnull", True)), fields=["ended_at"], name="walk_in_unthinned"
            ),
        ),
    ]
