"""Gives money its double-entry books, refunds their rows and operators their rules of money."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("catalog", "0002_touch"),
        ("orders", "0002_promise_rules"),
    ]

    operations = [
        migrations.CreateModel(
            name="Journal",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "key",
                    models.CharField(help_text="The same event again has the same key.", max_length=200, unique=True),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("charge", "Charge"),
                            ("hold", "Hold"),
                            ("capture", "Capture"),
                            ("release", "Release"),
                            ("refund", "Refund due"),
                            ("payout", "Refund paid"),
                            ("fee", "Fee"),
                            ("settlement", "Settlement"),
                            ("adjustment", "Adjustment"),
                        ],
                        max_length=10,
                    ),
                ),
                ("bap_id", models.CharField(blank=True, default="", max_length=255)),
                (
                    "reference",
                    models.CharField(
                        blank=True, default="", help_text="The provider's or buyer app's id.", max_length=255
                    ),
                ),
                ("note", models.CharField(blank=True, default="", max_length=300)),
                ("actor", models.CharField(max_length=150)),
                ("at", models.DateTimeField()),
                (
                    "operator",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="journals", to="catalog.operator"
                    ),
                ),
                (
                    "order",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="journals",
                        to="orders.order",
                    ),
                ),
                (
                    "quote",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="journals",
                        to="orders.quote",
                    ),
                ),
                (
                    "reverses",
                    models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="reversed_by",
                        to="orders.journal",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="MoneyRules",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "approve_above_paise",
                    models.BigIntegerField(
                        blank=True,
                        help_text="Refunds above this wait for a person, in paise; empty: none do.",
                        null=True,
                    ),
                ),
                (
                    "energy_within_s",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="A paid order without energy this long is refunded, s; empty: the default.",
                        null=True,
                    ),
                ),
                ("updated_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "operator",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="money_rules", to="catalog.operator"
                    ),
                ),
            ],
            options={
                "verbose_name": "money rules",
                "verbose_name_plural": "money rules",
            },
        ),
        migrations.CreateModel(
            name="Posting",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "account",
                    models.CharField(
                        choices=[
                            ("cash", "Cash at the payment provider"),
                            ("authorised", "Authorised at the payment provider"),
                            ("bank", "Operator's bank account"),
                            ("bap-receivable", "Owed by the buyer app"),
                            ("customer-receivable", "Owed by the customer"),
                            ("held", "Prepayment held for the order"),
                            ("revenue", "Revenue before tax"),
                            ("fees", "Cancellation fees before tax"),
                            ("cgst", "CGST payable"),
                            ("sgst", "SGST payable"),
                            ("igst", "IGST payable"),
                            ("refunds-due", "Refunds due to the customer"),
                            ("finder-fee", "Finder fees of buyer apps"),
                            ("settlement-payable", "Finder fees owed to buyer apps"),
                        ],
                        max_length=20,
                    ),
                ),
                ("bap_id", models.CharField(blank=True, default="", max_length=255)),
                ("currency", models.CharField(default="INR", max_length=3)),
                ("paise", models.BigIntegerField(help_text="Debit positive, credit negative.")),
                (
                    "journal",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="postings", to="orders.journal"
                    ),
                ),
                (
                    "operator",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="+", to="catalog.operator"
                    ),
                ),
                (
                    "order",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="postings",
                        to="orders.order",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="Refund",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.PositiveIntegerField()),
                ("cause", models.CharField(help_text="What it is for; one refund for each cause.", max_length=100)),
                (
                    "reason",
                    models.CharField(
                        choices=[
                            ("unused", "Prepayment not used"),
                            ("cancelled", "Order cancelled"),
                            ("no-energy", "Paid, but no energy"),
                            ("unconfirmed", "Paid, but not confirmed"),
                            ("overpaid", "Paid too much"),
                            ("meter", "Meter corrected"),
                            ("goodwill", "Goodwill"),
                        ],
                        max_length=12,
                    ),
                ),
                (
                    "way",
                    models.CharField(
                        choices=[("BAP", "By the buyer app"), ("provider", "By our payment provider")], max_length=8
                    ),
                ),
                ("paise", models.BigIntegerField()),
                ("currency", models.CharField(default="INR", max_length=3)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("requested", "Waits for approval"),
                            ("approved", "Approved"),
                            ("sent", "Sent"),
                            ("done", "Done"),
                            ("failed", "Failed, tried again"),
                            ("person", "Needs a person"),
                            ("declined", "Declined"),
                            ("withdrawn", "Withdrawn"),
                        ],
                        max_length=9,
                    ),
                ),
                (
                    "key",
                    models.CharField(
                        help_text="refund:<order>:<number>, the provider's idempotency key.",
                        max_length=100,
                        unique=True,
                    ),
                ),
                (
                    "reference",
                    models.CharField(
                        blank=True, default="", help_text="The provider's or buyer app's id.", max_length=255
                    ),
                ),
                ("attempts", models.PositiveIntegerField(default=0)),
                (
                    "next_at",
                    models.DateTimeField(
                        blank=True, help_text="When it is worked on next; empty: nobody's turn.", null=True
                    ),
                ),
                ("requested_at", models.DateTimeField()),
                ("approved_at", models.DateTimeField(blank=True, null=True)),
                ("sent_at", models.DateTimeField(blank=True, null=True)),
                ("closed_at", models.DateTimeField(blank=True, null=True)),
                ("deadline_at", models.DateTimeField(help_text="By when the customer was promised the money.")),
                ("approved_by", models.CharField(blank=True, default="", max_length=150)),
                (
                    "problem",
                    models.CharField(blank=True, default="", help_text="What went wrong last.", max_length=500),
                ),
                (
                    "order",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="refunds", to="orders.order"
                    ),
                ),
            ],
        ),
        migrations.AddIndex(
            model_name="journal",
            index=models.Index(fields=["operator", "at"], name="journal_operator_at"),
        ),
        migrations.AddIndex(
            model_name="journal",
            index=models.Index(fields=["bap_id", "at"], name="journal_bap_at"),
        ),
        migrations.AddConstraint(
            model_name="moneyrules",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("approve_above_paise__isnull", True), ("approve_above_paise__gte", 0), _connector="OR"
                ),
                name="money_rules_limit",
            ),
        ),
        migrations.AddIndex(
            model_name="posting",
            index=models.Index(fields=["operator", "account"], name="posting_operator_account"),
        ),
        migrations.AddConstraint(
            model_name="posting",
            constraint=models.CheckConstraint(
                condition=models.Q(("paise", 0), _negated=True), name="posting_moves_something"
            ),
        ),
        migrations.AddConstraint(
            model_name="posting",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "account__in",
                        [
                            "cash",
                            "authorised",
                            "bank",
                            "bap-receivable",
                            "customer-receivable",
                            "held",
                            "revenue",
                            "fees",
                            "cgst",
                            "sgst",
                            "igst",
                            "refunds-due",
                            "finder-fee",
                            "settlement-payable",
                        ],
                    )
                ),
                name="posting_account_known",
            ),
        ),
        migrations.AddIndex(
            model_name="refund",
            index=models.Index(condition=models.Q(("next_at__isnull", False)), fields=["next_at"], name="refund_due"),
        ),
        migrations.AddIndex(
            model_name="refund",
            index=models.Index(fields=["state", "deadline_at"], name="refund_clock"),
        ),
        migrations.AddConstraint(
            model_name="refund",
            constraint=models.UniqueConstraint(fields=("order", "number"), name="refund_number"),
        ),
        migrations.AddConstraint(
            model_name="refund",
            constraint=models.UniqueConstraint(fields=("order", "cause"), name="refund_cause"),
        ),
        migrations.AddConstraint(
            model_name="refund",
            constraint=models.CheckConstraint(condition=models.Q(("paise__gt", 0)), name="refund_amount"),
        ),
        migrations.AddConstraint(
            model_name="refund",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state__in", ["approved", "sent", "done", "failed", "person"]), _negated=True),
                    ("approved_at__isnull", False),
                    _connector="OR",
                ),
                name="refund_approved_first",
            ),
        ),
        migrations.AddConstraint(
            model_name="refund",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("closed_at__isnull", False), ("state__in", ["done", "declined", "withdrawn"])),
                    models.Q(
                        models.Q(("state__in", ["done", "declined", "withdrawn"]), _negated=True),
                        ("closed_at__isnull", True),
                    ),
                    _connector="OR",
                ),
                name="refund_closed",
            ),
        ),
    ]
