"""Gives promises their operator's rules, a buffer after each session, approval, no-show and deadlines."""

from decimal import Decimal

import django.contrib.postgres.fields.ranges
import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
from django.contrib.postgres.constraints import ExclusionConstraint
from django.db import migrations, models
from django.db.models import F, Func, Q, Value

FULFILLMENTS = [
    ("none", "Not started"),
    ("order-initiated", "Order initiated"),
    ("pending-approval", "Waiting for approval"),
    ("payment-completed", "Payment completed"),
    ("charging-starting", "Charging is starting"),
    ("charging-started", "Charging started"),
    ("charging-paused", "Charging paused"),
    ("charging-resumed", "Charging resumed"),
    ("charging-ending", "Charging is ending"),
    ("charging-ended", "Charging ended"),
    ("charger-error", "Charger fault"),
    ("order-cancelled", "Order cancelled"),
    ("no-show", "The driver did not come"),
]

MOVES = """
CREATE OR REPLACE FUNCTION order_fulfillment_may_move(before text, after text) RETURNS boolean
LANGUAGE sql IMMUTABLE STRICT AS $$
  SELECT before = after OR (before, after) IN (
    ('none', 'order-initiated'),
    ('order-initiated', 'none'), ('order-initiated', 'payment-completed'), {initiated}
    ('payment-completed', 'charging-starting'), ('payment-completed', 'charging-started'),
    ('payment-completed', 'charger-error'), ('payment-completed', 'order-cancelled'), {ready}
    ('charging-starting', 'charging-started'), ('charging-starting', 'charging-ending'),
    ('charging-starting', 'charging-ended'), ('charging-starting', 'charger-error'),
    ('charging-started', 'charging-paused'), ('charging-started', 'charging-ending'),
    ('charging-started', 'charging-ended'), ('charging-started', 'charger-error'),
    ('charging-paused', 'charging-resumed'), ('charging-paused', 'charging-ending'),
    ('charging-paused', 'charging-ended'), ('charging-paused', 'charger-error'),
    ('charging-resumed', 'charging-paused'), ('charging-resumed', 'charging-ending'),
    ('charging-resumed', 'charging-ended'), ('charging-resumed', 'charger-error'),
    ('charging-ending', 'charging-ended'), ('charging-ending', 'charger-error'))
$$;
CREATE OR REPLACE FUNCTION order_fulfillment_fits(state text, fulfillment text) RETURNS boolean
LANGUAGE sql IMMUTABLE STRICT AS $$
  SELECT (state, fulfillment) IN (
    ('draft', 'none'), ('initiated', 'order-initiated'), ('expired', 'none'), {fits}
    ('active', 'payment-completed'), ('active', 'charging-starting'), ('active', 'charging-started'),
    ('active', 'charging-paused'), ('active', 'charging-resumed'), ('active', 'charging-ending'),
    ('complete', 'charging-ended'), ('complete', 'charger-error'),
    ('cancelled', 'order-cancelled'), ('cancelled', 'charger-error'))
$$;
"""
NEW_MOVES = MOVES.format(
    initiated="""
    ('order-initiated', 'pending-approval'), ('pending-approval', 'payment-completed'),
    ('pending-approval', 'charger-error'), ('pending-approval', 'order-cancelled'),""",
    ready="('payment-completed', 'no-show'),",
    fits="('active', 'pending-approval'), ('cancelled', 'no-show'),",
)
OLD_MOVES = MOVES.format(initiated="", ready="", fits="")

# A range and its buffer: an expression with a time zone is not immutable, so that a generated column cannot hold it.
BLOCKED = """
CREATE FUNCTION reservation_block() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.blocked := tstzrange(lower(NEW.during), upper(NEW.during) + make_interval(secs => NEW.buffer_s), '[)');
  RETURN NEW;
END $$;
CREATE TRIGGER reservation_blocked BEFORE INSERT OR UPDATE ON orders_reservation
  FOR EACH ROW EXECUTE FUNCTION reservation_block();
UPDATE orders_reservation SET buffer_s = buffer_s;
ALTER TABLE orders_reservation ALTER COLUMN blocked SET NOT NULL;
"""
BLOCKED_BACK = """
ALTER TABLE orders_reservation ALTER COLUMN blocked DROP NOT NULL;
DROP TRIGGER reservation_blocked ON orders_reservation;
DROP FUNCTION reservation_block();
"""


def no_overlap(column):
    return ExclusionConstraint(
        condition=Q(("state__in", ["held", "confirmed", "active"])),
        expressions=[
            (Func(F("evse_id"), F("evse_id"), Value("[]"), function="int8range"), "&&"),
            (column, "&&"),
        ],
        name="reservation_no_overlap",
    )


class Migration(migrations.Migration):
    atomic = True
    dependencies = [("catalog", "0001_initial"), ("orders", "0007_terms_and_consent")]

    operations = [
        migrations.AddField(
            "order",
            "rules",
            models.JSONField(blank=True, default=dict, help_text="The operator's rules as they were promised."),
        ),
        migrations.AddField(
            "order",
            "may_redirect",
            models.BooleanField(default=False, help_text="May be moved to another connector without asking."),
        ),
        migrations.AddField(
            "order", "code_tries", models.PositiveSmallIntegerField(default=0, help_text="Wrong start codes so far.")
        ),
        migrations.AlterField(
            "order", "fulfillment", models.CharField(choices=FULFILLMENTS, default="none", max_length=20)
        ),
        migrations.AlterField(
            "reservation",
            "during",
            django.contrib.postgres.fields.ranges.DateTimeRangeField(help_text="The customer's own time."),
        ),
        migrations.AddField(
            "reservation",
            "buffer_s",
            models.PositiveIntegerField(default=0, help_text="Kept free afterwards, s."),
        ),
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.AddField(
                    "reservation",
                    "blocked",
                    django.contrib.postgres.fields.ranges.DateTimeRangeField(null=True, editable=False),
                ),
            ],
            state_operations=[
                migrations.AddField(
                    "reservation",
                    "blocked",
                    django.contrib.postgres.fields.ranges.DateTimeRangeField(
                        editable=False, help_text="`during` and the buffer; the database fills it in."
                    ),
                ),
            ],
        ),
        migrations.RunSQL(BLOCKED, BLOCKED_BACK),
        migrations.RemoveConstraint("reservation", "reservation_no_overlap"),
        migrations.AddConstraint("reservation", no_overlap("blocked")),
        migrations.RunSQL(NEW_MOVES, OLD_MOVES),
        migrations.CreateModel(
            name="ReservationRules",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "earliest_s",
                    models.PositiveIntegerField(default=30 * 86_400, help_text="How long before its start at most, s."),
                ),
                (
                    "latest_s",
                    models.PositiveIntegerField(
                        default=0, help_text="How long before its start at least, s; 0: at once."
                    ),
                ),
                ("shortest_s", models.PositiveIntegerField(default=0, help_text="The shortest booked time, s.")),
                ("longest_s", models.PositiveIntegerField(default=86_400, help_text="The longest booked time, s.")),
                ("buffer_s", models.PositiveIntegerField(default=0, help_text="Time kept free after each session, s.")),
                (
                    "grace_s",
                    models.PositiveIntegerField(default=900, help_text="A start so late still gets its whole time, s."),
                ),
                (
                    "no_show_after_s",
                    models.PositiveIntegerField(default=3_600, help_text="After that the order is closed, s."),
                ),
                (
                    "mode",
                    models.CharField(
                        choices=[
                            ("instant", "At once"),
                            ("advance", "At once, with a reminder before the start"),
                            ("provisional", "After the operator's approval"),
                        ],
                        default="instant",
                        max_length=11,
                    ),
                ),
                (
                    "reminder_s",
                    models.PositiveIntegerField(default=3_600, help_text="How long before the start to remind, s."),
                ),
                (
                    "approval_s",
                    models.PositiveIntegerField(default=900, help_text="How long an approval may take, s."),
                ),
                (
                    "approval_outcome",
                    models.CharField(
                        choices=[("approve", "Approve"), ("decline", "Decline")], default="decline", max_length=7
                    ),
                ),
                (
                    "start_code",
                    models.BooleanField(default=False, help_text="The driver needs a one-time code to start."),
                ),
                (
                    "on_failure",
                    models.CharField(
                        choices=[("ask", "Offer others and wait for an answer"), ("cancel", "Cancel at once")],
                        default="ask",
                        max_length=6,
                    ),
                ),
                (
                    "answer_s",
                    models.PositiveIntegerField(default=900, help_text="How long an answer to a failure may take, s."),
                ),
                (
                    "free_cancel_s",
                    models.PositiveIntegerField(default=0, help_text="Free cancellation after confirmation, s."),
                ),
                (
                    "updated_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
                ),
                (
                    "operator",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="%(class)s_set",
                        to="catalog.operator",
                    ),
                ),
                (
                    "station",
                    models.ForeignKey(
                        blank=True,
                        help_text="Empty: every station of the operator without rules of its own.",
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="%(class)s_set",
                        to="catalog.station",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "reservation rules",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("operator", "station"), name="rules_per_scope", nulls_distinct=False
                    ),
                    models.CheckConstraint(
                        condition=Q(
                            ("earliest_s__gte", F("latest_s")),
                            ("longest_s__gt", 0),
                            ("longest_s__gte", F("shortest_s")),
                        ),
                        name="rules_limits",
                    ),
                    models.CheckConstraint(
                        condition=Q(("no_show_after_s__gte", F("grace_s"))), name="rules_grace_before_no_show"
                    ),
                    models.CheckConstraint(
                        condition=Q(("answer_s__gt", 0), ("approval_s__gt", 0)), name="rules_deadlines"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="CancellationRule",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("pending-approval", "Waiting for approval"),
                            ("payment-completed", "Confirmed, before charging"),
                            ("charging-started", "Charging started"),
                            ("no-show", "The driver did not come"),
                        ],
                        default="payment-completed",
                        max_length=20,
                    ),
                ),
                (
                    "from_min",
                    models.PositiveIntegerField(
                        blank=True, help_text="Minutes before the start, at least; empty: down to none.", null=True
                    ),
                ),
                (
                    "to_min",
                    models.PositiveIntegerField(
                        blank=True, help_text="Minutes before the start, less than; empty: any.", null=True
                    ),
                ),
                (
                    "fee_percent",
                    models.DecimalField(
                        blank=True,
                        decimal_places=2,
                        max_digits=5,
                        null=True,
                        validators=[
                            django.core.validators.MinValueValidator(Decimal(0)),
                            django.core.validators.MaxValueValidator(Decimal(100)),
                        ],
                    ),
                ),
                (
                    "fee_paise",
                    models.PositiveBigIntegerField(blank=True, help_text="Tax included; at most the total.", null=True),
                ),
                ("reason_required", models.BooleanField(default=True)),
                ("refund_eligible", models.BooleanField(default=True)),
                ("refund_within_s", models.PositiveIntegerField(default=10 * 86_400)),
                (
                    "operator",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="%(class)s_set",
                        to="catalog.operator",
                    ),
                ),
                (
                    "station",
                    models.ForeignKey(
                        blank=True,
                        help_text="Empty: every station of the operator without rules of its own.",
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="%(class)s_set",
                        to="catalog.station",
                    ),
                ),
            ],
            options={
                "ordering": ["pk"],
                "constraints": [
                    models.CheckConstraint(
                        condition=Q(
                            Q(("fee_paise__isnull", False), ("fee_percent__isnull", True)),
                            Q(("fee_paise__isnull", True), ("fee_percent__isnull", False)),
                            _connector="OR",
                        ),
                        name="cancellation_percent_or_amount",
                    ),
                    models.CheckConstraint(
                        condition=Q(
                            ("fee_percent__isnull", True),
                            Q(("fee_percent__gte", 0), ("fee_percent__lte", 100)),
                            _connector="OR",
                        ),
                        name="cancellation_percent",
                    ),
                    models.CheckConstraint(
                        condition=Q(
                            ("from_min__isnull", True),
                            ("to_min__isnull", True),
                            ("from_min__lt", F("to_min")),
                            _connector="OR",
                        ),
                        name="cancellation_minutes",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Deadline",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("approval", "Approval by the operator"),
                            ("reminder", "Reminder before the start"),
                            ("no-show", "The driver did not come"),
                            ("answer", "Answer to a failed charger"),
                        ],
                        max_length=8,
                    ),
                ),
                ("at", models.DateTimeField()),
                ("done_at", models.DateTimeField(blank=True, null=True)),
                (
                    "order",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="deadlines", to="orders.order"
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(condition=Q(("done_at__isnull", True)), fields=["at"], name="deadline_open")],
                "constraints": [models.UniqueConstraint(fields=("order", "kind"), name="deadline_once_per_kind")],
            },
        ),
    ]
