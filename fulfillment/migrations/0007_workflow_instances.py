"""Workflow instances and their journal take over from sessions what is asked of stations."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

# Sessions that are over but were still being given back; those that start or end get an instance by the sweep.
GIVE_BACK = """
UPDATE fulfillment_session SET release_owed = true, asked_at = coalesce(asked_at, now())
 WHERE state IN ('failed', 'cancelled', 'ended') AND step NOT IN ('idle', 'done', 'watch');
UPDATE fulfillment_session SET next_at = NULL WHERE state NOT IN ('charging', 'paused');
"""


class Migration(migrations.Migration):
    dependencies = [
        ("catalog", "0006_two_sign_prefixes"),
        ("fulfillment", "0006_session_by_hand"),
        ("orders", "0020_never_used"),
    ]

    operations = [
        migrations.CreateModel(
            name="TaskRun",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("pointer", models.CharField(help_text="Place in the definition, as a JSON pointer.", max_length=400)),
                (
                    "visit",
                    models.CharField(
                        blank=True, default="", help_text="Which round of loops and jumps.", max_length=200
                    ),
                ),
                (
                    "attempt",
                    models.PositiveIntegerField(default=1, help_text="Grows with retries the definition asks for."),
                ),
                ("name", models.CharField(max_length=100)),
                ("kind", models.CharField(max_length=20)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("started", "Started"),
                            ("waiting", "Waiting"),
                            ("completed", "Completed"),
                            ("faulted", "Faulted"),
                            ("retried", "To be retried"),
                            ("skipped", "Skipped"),
                            ("cancelled", "Cancelled"),
                        ],
                        default="started",
                        max_length=9,
                    ),
                ),
                (
                    "key",
                    models.UUIDField(
                        blank=True, help_text="Idempotency key of its effect, the same over repeats.", null=True
                    ),
                ),
                ("request", models.JSONField(blank=True, null=True)),
                ("asked", models.PositiveIntegerField(default=0, help_text="How often the effect was asked for.")),
                ("input", models.JSONField(blank=True, null=True)),
                ("output", models.JSONField(blank=True, null=True)),
                ("fault", models.JSONField(blank=True, null=True)),
                ("started_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
            ],
        ),
        migrations.CreateModel(
            name="WorkflowDefinition",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=100)),
                ("version", models.CharField(max_length=40)),
                ("hash", models.CharField(help_text="SHA-256 of the text, hex.", max_length=64, unique=True)),
                ("text", models.TextField()),
                ("first_used_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
        ),
        migrations.CreateModel(
            name="WorkflowInstance",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("uid", models.UUIDField(editable=False, unique=True)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("pending", "Pending"),
                            ("running", "Running"),
                            ("waiting", "Waiting"),
                            ("suspended", "Suspended"),
                            ("faulted", "Faulted"),
                            ("cancelled", "Cancelled"),
                            ("completed", "Completed"),
                        ],
                        default="pending",
                        max_length=9,
                    ),
                ),
                ("trigger", models.CharField(help_text="Type of the event that began it.", max_length=100)),
                ("input", models.JSONField()),
                (
                    "state",
                    models.JSONField(blank=True, help_text="Where it stands; empty before and after.", null=True),
                ),
                ("output", models.JSONField(blank=True, null=True)),
                ("fault", models.JSONField(blank=True, help_text="The error that ended it.", null=True)),
                (
                    "reason",
                    models.TextField(
                        blank=True, default="", help_text="Why it was suspended or cancelled, or why it rests."
                    ),
                ),
                ("card", models.CharField(blank=True, default="", max_length=128)),
                (
                    "holding",
                    models.BooleanField(
                        default=False, help_text="A worker is at it, so that no other acts at its station."
                    ),
                ),
                ("lease_until", models.DateTimeField(blank=True, null=True)),
                ("token", models.BigIntegerField(default=0, help_text="Fences a worker that came back late.")),
                (
                    "attempts",
                    models.IntegerField(
                        default=0, help_text="How often in a row its progress could not be written down."
                    ),
                ),
                (
                    "next_at",
                    models.DateTimeField(blank=True, help_text="Due at; empty where nothing is to do.", null=True),
                ),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
            ],
        ),
        migrations.AddField(
            model_name="session",
            name="release_owed",
            field=models.BooleanField(
                default=False, help_text="The station may still hold something for this session's card."
            ),
        ),
        migrations.RunSQL(GIVE_BACK, migrations.RunSQL.noop),
        migrations.RemoveField(
            model_name="command",
            name="session",
        ),
        migrations.RemoveField(
            model_name="session",
            name="lease_until",
        ),
        migrations.RemoveField(
            model_name="session",
            name="step",
        ),
        migrations.RemoveField(
            model_name="session",
            name="token",
        ),
        migrations.AddField(
            model_name="eventout",
            name="source",
            field=models.CharField(default="https://ev-power-supplier.com", max_length=255),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="session",
            name="payment_due",
            field=models.BooleanField(
                default=False, help_text="The station's supplier refused the session's payment, or could not be asked."
            ),
        ),
        migrations.AlterField(
            model_name="eventout",
            name="data",
            field=models.JSONField(null=True),
        ),
        migrations.AlterField(
            model_name="eventout",
            name="subject",
            field=models.CharField(blank=True, default="", max_length=128),
        ),
        migrations.AlterField(
            model_name="session",
            name="next_at",
            field=models.DateTimeField(
                blank=True, help_text="When the station is asked how charging goes; empty where it is not.", null=True
            ),
        ),
        migrations.AddIndex(
            model_name="session",
            index=models.Index(
                condition=models.Q(("state__in", ["starting", "ending"]), ("release_owed", True), _connector="OR"),
                fields=["asked_at"],
                name="session_in_hand",
            ),
        ),
        migrations.AddField(
            model_name="workflowinstance",
            name="definition",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="instances",
                to="fulfillment.workflowdefinition",
            ),
        ),
        migrations.AddField(
            model_name="workflowinstance",
            name="event",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="workflows",
                to="fulfillment.stationevent",
            ),
        ),
        migrations.AddField(
            model_name="workflowinstance",
            name="session",
            field=models.ForeignKey(
                blank=True,
                help_text="Of an order.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="workflows",
                to="fulfillment.session",
            ),
        ),
        migrations.AddField(
            model_name="workflowinstance",
            name="station",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="workflows",
                to="catalog.station",
            ),
        ),
        migrations.AddField(
            model_name="taskrun",
            name="instance",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="tasks", to="fulfillment.workflowinstance"
            ),
        ),
        migrations.DeleteModel(
            name="Command",
        ),
        migrations.AddIndex(
            model_name="workflowinstance",
            index=models.Index(
                condition=models.Q(("next_at__isnull", False)), fields=["next_at", "id"], name="workflow_due"
            ),
        ),
        migrations.AddIndex(
            model_name="workflowinstance",
            index=models.Index(
                condition=models.Q(("status__in", ["pending", "running", "waiting"])),
                fields=["station", "card", "id"],
                name="workflow_lane",
            ),
        ),
        migrations.AddIndex(
            model_name="workflowinstance",
            index=models.Index(fields=["-created_at"], name="workflow_newest"),
        ),
        migrations.AddConstraint(
            model_name="workflowinstance",
            constraint=models.UniqueConstraint(
                condition=models.Q(("holding", True)), fields=("station",), name="workflow_one_at_a_station"
            ),
        ),
        migrations.AddConstraint(
            model_name="workflowinstance",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("status__in", ["pending", "running", "waiting"]),
                    models.Q(("holding", False), ("next_at__isnull", True)),
                    _connector="OR",
                ),
                name="workflow_due_is_live",
            ),
        ),
        migrations.AddConstraint(
            model_name="workflowinstance",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status__in", ["faulted", "cancelled", "completed"]), _negated=True),
                    ("ended_at__isnull", False),
                    _connector="OR",
                ),
                name="workflow_over_has_an_end",
            ),
        ),
        migrations.AddConstraint(
            model_name="taskrun",
            constraint=models.UniqueConstraint(
                fields=("instance", "pointer", "visit", "attempt"), name="task_run_once"
            ),
        ),
        migrations.AddIndex(
            model_name="taskrun",
            index=models.Index(
                condition=models.Q(("kind", "listen"), ("state", "started")), fields=["id"], name="task_run_listens"
            ),
        ),
    ]
