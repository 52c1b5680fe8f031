"""Of workflow instances that ended well long ago only the calls that changed something are kept."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("fulfillment", "0013_walk_in_thinned")]

    operations = [
        migrations.AddField(
            model_name="workflowinstance",
            name="thinned_at",
            field=models.DateTimeField(
                blank=True,
                editable=False,
                help_text="When all but its commands were deleted from its journal.",
                null=True,
            ),
        ),
        migrations.AddIndex(
            model_name="workflowinstance",
            index=models.Index(
                condition=models.Q(("status__in", ["completed", "cancelled"]), ("thinned_at__isnull", True)),
                fields=["ended_at"],
                name="workflow_unthinned",
            ),
        ),
    ]
