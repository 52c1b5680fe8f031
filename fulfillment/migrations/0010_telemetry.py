"""Readings are kept once by session, time and register; old ones give way to rollups; sessions are found by meter."""

import django.db.models.deletion
from django.db import migrations, models

# Of the same value told twice the believed one stays, else the first.
TWINS = """
DELETE FROM {table} AS twin USING {table} AS kept
WHERE kept.{owner} = twin.{owner} AND kept.at = twin.at AND kept.energy_wh = twin.energy_wh
    AND (kept.accepted, -kept.id) > (twin.accepted, -twin.id)
"""
# Each meter value rewrites its session's row: room on the page spares rewriting the indexes, too.
ROOM = "ALTER TABLE fulfillment_session SET (fillfactor = 70)"
ROOM_BACK = "ALTER TABLE fulfillment_session RESET (fillfactor)"


class Migration(migrations.Migration):
    dependencies = [
        ("catalog", "0006_two_sign_prefixes"),
        ("fulfillment", "0009_outages"),
        ("orders", "0020_never_used"),
    ]

    operations = [
        migrations.RunSQL(TWINS.format(table="fulfillment_reading", owner="session_id"), migrations.RunSQL.noop),
        migrations.RunSQL(TWINS.format(table="fulfillment_walkinreading", owner="walk_in_id"), migrations.RunSQL.noop),
        migrations.RunSQL(ROOM, ROOM_BACK),
        migrations.CreateModel(
            name="ReadingRollup",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("span", models.CharField(choices=[("minute", "Minute"), ("hour", "Hour")], max_length=6)),
                ("at", models.DateTimeField(help_text="When the minute or the hour began.")),
                ("samples", models.IntegerField()),
                ("refused", models.IntegerField()),
                ("last_at", models.DateTimeField(blank=True, null=True)),
                ("energy_wh", models.BigIntegerField(blank=True, null=True)),
                ("mean_w", models.IntegerField(blank=True, null=True)),
                ("peak_w", models.IntegerField(blank=True, null=True)),
                ("current_a", models.DecimalField(blank=True, decimal_places=2, max_digits=8, null=True)),
                ("soc_percent", models.SmallIntegerField(blank=True, null=True)),
            ],
        ),
        migrations.RemoveIndex(
            model_name="reading",
            name="reading_at",
        ),
        migrations.AddField(
            model_name="session",
            name="rolled_up_at",
            field=models.DateTimeField(
                blank=True, editable=False, help_text="When its readings gave way to their rollups.", null=True
            ),
        ),
        migrations.AddIndex(
            model_name="session",
            index=models.Index(
                condition=models.Q(("remote_id", ""), _negated=True), fields=["remote_id"], name="session_remote"
            ),
        ),
        migrations.AddIndex(
            model_name="session",
            index=models.Index(
                condition=models.Q(("rolled_up_at__isnull", True)), fields=["ended_at"], name="session_unrolled"
            ),
        ),
        migrations.AddConstraint(
            model_name="reading",
            constraint=models.UniqueConstraint(fields=("session", "at", "energy_wh"), name="reading_told_once"),
        ),
        migrations.AddConstraint(
            model_name="walkinreading",
            constraint=models.UniqueConstraint(fields=("walk_in", "at", "energy_wh"), name="walk_in_reading_told_once"),
        ),
        migrations.AddField(
            model_name="readingrollup",
            name="session",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="rollups", to="fulfillment.session"
            ),
        ),
        migrations.AddConstraint(
            model_name="readingrollup",
            constraint=models.UniqueConstraint(fields=("session", "span", "at"), name="reading_rollup_once"),
        ),
        migrations.AddConstraint(
            model_name="readingrollup",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("refused__gte", 0),
                    ("samples__gte", 0),
                    models.Q(
                        ("samples", 0),
                        models.Q(("energy_wh__isnull", False), ("last_at__isnull", False)),
                        _connector="OR",
                    ),
                ),
                name="reading_rollup_of_something",
            ),
        ),
    ]
