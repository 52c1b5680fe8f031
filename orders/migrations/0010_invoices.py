import django.db.models.deletion
import django.db.models.expressions
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("catalog", "0004_tax_identity"),
        ("orders", "0009_books_checks"),
    ]

    operations = [
        migrations.CreateModel(
            name="Invoice",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("invoice", "Tax invoice"),
                            ("credit-note", "Credit note"),
                            ("debit-note", "Debit note"),
                        ],
                        max_length=11,
                    ),
                ),
                ("year", models.PositiveSmallIntegerField(help_text="In which the financial year begins on 1 April.")),
                ("sequence", models.PositiveIntegerField()),
                ("number", models.CharField(max_length=16)),
                ("issued_at", models.DateTimeField()),
                ("supplier", models.JSONField(help_text="{name, address, gstin, state, state_code, phone, email}")),
                ("recipient", models.JSONField(help_text="{name, address, gstin}")),
                ("place", models.JSONField(help_text="Place of supply: {state, code}.")),
                (
                    "facts",
                    models.JSONField(default=dict, help_text="{order, station, evse, reason, corrects, corrects_on}"),
                ),
                ("lines", models.JSONField(help_text="[{code, note, paise, energy_wh?, sac}], before tax.")),
                ("taxes", models.JSONField(help_text="[{code, percent, paise}]")),
                ("currency", models.CharField(default="INR", max_length=3)),
                ("taxable_paise", models.BigIntegerField()),
                ("tax_paise", models.BigIntegerField()),
                ("total_paise", models.BigIntegerField()),
                (
                    "corrects",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="notes",
                        to="orders.invoice",
                    ),
                ),
                (
                    "operator",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="invoices", to="catalog.operator"
                    ),
                ),
                (
                    "order",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="invoices", to="orders.order"
                    ),
                ),
                (
                    "quote",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="invoices",
                        to="orders.quote",
                    ),
                ),
                (
                    "refund",
                    models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="credit_note",
                        to="orders.refund",
                    ),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["operator", "-issued_at"], name="invoice_operator_issued")],
                "constraints": [
                    models.UniqueConstraint(fields=("operator", "kind", "year", "sequence"), name="invoice_sequence"),
                    models.UniqueConstraint(fields=("operator", "number"), name="invoice_number"),
                    models.UniqueConstraint(
                        condition=models.Q(("kind", "invoice")), fields=("order",), name="invoice_one_per_order"
                    ),
                    models.UniqueConstraint(fields=("quote",), name="invoice_once_per_quote"),
                    models.CheckConstraint(
                        condition=models.Q(("number__regex", "^[A-Z0-9/-]{1,16}$")), name="invoice_number_form"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "total_paise",
                                django.db.models.expressions.CombinedExpression(
                                    models.F("taxable_paise"), "+", models.F("tax_paise")
                                ),
                            ),
                            ("total_paise__gt", 0),
                        ),
                        name="invoice_total",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("corrects__isnull", True), ("kind", "invoice")),
                            models.Q(models.Q(("kind", "invoice"), _negated=True), ("corrects__isnull", False)),
                            _connector="OR",
                        ),
                        name="invoice_note_corrects",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("quote__isnull", False), ("refund__isnull", True)),
                            models.Q(("quote__isnull", True), ("refund__isnull", False)),
                            _connector="OR",
                        ),
                        name="invoice_one_cause",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="InvoiceSeries",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("invoice", "Tax invoice"),
                            ("credit-note", "Credit note"),
                            ("debit-note", "Debit note"),
                        ],
                        max_length=11,
                    ),
                ),
                ("year", models.PositiveSmallIntegerField(help_text="In which the financial year begins on 1 April.")),
                ("last", models.PositiveIntegerField(default=0)),
                (
                    "operator",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="invoice_series",
                        to="catalog.operator",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "invoice series",
                "constraints": [
                    models.UniqueConstraint(fields=("operator", "kind", "year"), name="invoice_series_once")
                ],
            },
        ),
    ]
