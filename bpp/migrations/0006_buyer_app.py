"""What was settled with single buyer apps, where they want progress pushed to, and one undelivered progress each."""

import django.db.models.functions.datetime
from django.db import migrations, models

# Of progress that waits twice for one order only the newest counts; a lease ends with it.
ONE_PROGRESS = """
UPDATE bpp_outboxmessage o
SET state = 'coalesced', reason = 'replaced by a later one', sent_at = now(), lease_until = NULL
WHERE o.progress AND o.state = 'pending' AND EXISTS (
    SELECT 1 FROM bpp_outboxmessage n
    WHERE n.progress AND n.state = 'pending' AND n.order_id = o.order_id AND n.bap_id = o.bap_id AND n.id > o.id
)
"""


class Migration(migrations.Migration):
    dependencies = [
        ("bpp", "0005_packed_bodies"),
        ("catalog", "0006_two_sign_prefixes"),
    ]

    operations = [
        migrations.CreateModel(
            name="BuyerApp",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("bap_id", models.CharField(max_length=255, unique=True, verbose_name="subscriber id")),
                (
                    "progress_every_s",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="Progress while charging at most this often, s; empty: as the network's.",
                        null=True,
                    ),
                ),
                (
                    "callback_pushes",
                    models.BooleanField(
                        default=True,
                        help_text="Progress also goes to the callback_url that the app names for an order.",
                    ),
                ),
                ("note", models.TextField(blank=True, default="", help_text="Why, and with whom it was settled.")),
                ("updated_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
        ),
        migrations.CreateModel(
            name="ProgressPush",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("order_id", models.BigIntegerField(unique=True)),
                ("bap_id", models.CharField(max_length=255)),
                ("url", models.TextField()),
                ("asked_at", models.DateTimeField()),
            ],
        ),
        migrations.AddField(
            model_name="outboxmessage",
            name="pushed",
            field=models.BooleanField(
                db_default=False, default=False, help_text="Goes to the URL that the buyer app named for this order."
            ),
        ),
        migrations.RunSQL(ONE_PROGRESS, migrations.RunSQL.noop),
        migrations.AddConstraint(
            model_name="outboxmessage",
            constraint=models.UniqueConstraint(
                condition=models.Q(("progress", True), ("state", "pending")),
                fields=("order_id", "bap_id", "pushed"),
                name="outbox_one_progress",
            ),
        ),
        migrations.AddConstraint(
            model_name="buyerapp",
            constraint=models.CheckConstraint(
                condition=models.Q(("progress_every_s__isnull", True), ("progress_every_s__gte", 1), _connector="OR"),
                name="buyer_app_progress",
            ),
        ),
    ]
