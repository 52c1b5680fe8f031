"""Keeps what the audit of the books found, and adds the accounts of union territory tax and of goodwill."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("orders", "0008_promise_terms"),
    ]

    operations = [
        migrations.CreateModel(
            name="BooksCheck",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField()),
                (
                    "since",
                    models.DateTimeField(blank=True, help_text="Orders with money moved since; empty: all.", null=True),
                ),
                ("orders", models.PositiveBigIntegerField(help_text="How many orders were looked at.")),
                ("breaks", models.PositiveBigIntegerField(help_text="How many things do not add up.")),
                (
                    "findings",
                    models.JSONField(blank=True, default=list, help_text="[{order, rule, text}], the first hundred."),
                ),
            ],
        ),
        migrations.RemoveConstraint(
            model_name="posting",
            name="posting_account_known",
        ),
        migrations.AlterField(
            model_name="posting",
            name="account",
            field=models.CharField(
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
                    ("utgst", "UTGST payable"),
                    ("igst", "IGST payable"),
                    ("goodwill", "Given back as goodwill"),
                    ("refunds-due", "Refunds due to the customer"),
                    ("finder-fee", "Finder fees of buyer apps"),
                    ("settlement-payable", "Finder fees owed to buyer apps"),
                ],
                max_length=20,
            ),
        ),
        migrations.AddIndex(
            model_name="journal",
            index=models.Index(fields=["kind", "at"], name="journal_kind_at"),
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
                            "utgst",
                            "igst",
                            "goodwill",
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
            model_name="bookscheck",
            index=models.Index(fields=["-at"], name="books_check_at"),
        ),
    ]
