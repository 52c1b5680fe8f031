import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import orders.models.collecting


class Migration(migrations.Migration):
    dependencies = [
        ("orders", "0005_money_sources"),
    ]

    operations = [
        migrations.CreateModel(
            name="Collection",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.PositiveIntegerField()),
                ("provider", models.CharField(max_length=20)),
                (
                    "reference",
                    models.CharField(help_text="Our name for it at the provider.", max_length=35, unique=True),
                ),
                ("token", models.CharField(default=orders.models.collecting.new_token, max_length=64, unique=True)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("waiting", "Not due yet"),
                            ("asked", "Link to be made"),
                            ("open", "Waits for the payer"),
                            ("authorised", "Held by the provider"),
                            ("captured", "Taken"),
                            ("released", "Given free"),
                            ("failed", "Failed"),
                            ("expired", "Not paid in time"),
                            ("alarm", "Needs a person"),
                        ],
                        default="asked",
                        max_length=10,
                    ),
                ),
                ("price_paise", models.BigIntegerField(help_text="What the order costs as quoted or billed.")),
                (
                    "amount_paise",
                    models.BigIntegerField(help_text="What is asked for: the price and, where it is held, a buffer."),
                ),
                ("currency", models.CharField(default="INR", max_length=3)),
                ("hold", models.BooleanField(default=False, help_text="Authorise now, capture after the bill.")),
                ("link_ref", models.CharField(blank=True, default="", max_length=64)),
                ("link_url", models.CharField(blank=True, default="", max_length=500)),
                ("intent", models.CharField(blank=True, default="", help_text="upi:// address.", max_length=500)),
                ("order_ref", models.CharField(blank=True, default="", max_length=64)),
                ("payment_ref", models.CharField(blank=True, default="", max_length=64)),
                ("authorised_paise", models.BigIntegerField(default=0)),
                ("captured_paise", models.BigIntegerField(default=0)),
                (
                    "wanted_paise",
                    models.BigIntegerField(
                        blank=True,
                        help_text="How much to capture, once that is decided; 0 gives the hold free.",
                        null=True,
                    ),
                ),
                (
                    "closing",
                    models.BooleanField(
                        default=False, help_text="Nothing more is wanted: whatever still comes goes back."
                    ),
                ),
                ("next_at", models.DateTimeField(blank=True, help_text="When the provider is asked next.", null=True)),
                ("attempts", models.PositiveIntegerField(default=0)),
                ("problem", models.CharField(blank=True, default="", max_length=500)),
                ("expires_at", models.DateTimeField(blank=True, null=True)),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("updated_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "order",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="collections", to="orders.order"
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="PaymentNews",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("provider", models.CharField(max_length=20)),
                ("event_id", models.CharField(max_length=64)),
                ("digest", models.CharField(help_text="SHA-256 of the body.", max_length=64)),
                ("kind", models.CharField(max_length=60)),
                ("raw", models.BinaryField()),
                (
                    "names",
                    models.JSONField(
                        default=dict, help_text="account, link_ref, order_ref, payment_ref, reference, refund_ref."
                    ),
                ),
                ("happened_at", models.DateTimeField(blank=True, null=True)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("new", "To be looked into"),
                            ("done", "Done"),
                            ("ignored", "Nothing to do"),
                            ("alarm", "Needs a person"),
                        ],
                        default="new",
                        max_length=7,
                    ),
                ),
                ("outcome", models.CharField(blank=True, default="", max_length=300)),
                ("deliveries", models.PositiveIntegerField(default=1)),
                ("attempts", models.PositiveIntegerField(default=0)),
                ("next_at", models.DateTimeField(blank=True, null=True)),
                ("received_at", models.DateTimeField()),
                ("done_at", models.DateTimeField(blank=True, null=True)),
                (
                    "collection",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="news",
                        to="orders.collection",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "payment news",
            },
        ),
        migrations.CreateModel(
            name="PaymentReference",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("payer", models.CharField(help_text="The buyer app that collected, or `BPP`.", max_length=255)),
                ("reference", models.CharField(max_length=255)),
                ("claimed_at", models.DateTimeField()),
                (
                    "order",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="payment_references",
                        to="orders.order",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="WebhookRefusal",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("provider", models.CharField(max_length=20)),
                ("day", models.DateField()),
                ("count", models.PositiveBigIntegerField(default=0)),
                ("last_at", models.DateTimeField()),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("provider", "day"), name="webhook_refusal_day")],
            },
        ),
        migrations.AddIndex(
            model_name="collection",
            index=models.Index(
                condition=models.Q(("next_at__isnull", False)), fields=["next_at"], name="collection_due"
            ),
        ),
        migrations.AddIndex(
            model_name="collection",
            index=models.Index(fields=["provider", "order_ref"], name="collection_order_ref"),
        ),
        migrations.AddConstraint(
            model_name="collection",
            constraint=models.UniqueConstraint(fields=("order", "number"), name="collection_number"),
        ),
        migrations.AddConstraint(
            model_name="collection",
            constraint=models.UniqueConstraint(
                condition=models.Q(("link_ref", ""), _negated=True),
                fields=("provider", "link_ref"),
                name="collection_link_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="collection",
            constraint=models.UniqueConstraint(
                condition=models.Q(("payment_ref", ""), _negated=True),
                fields=("provider", "payment_ref"),
                name="collection_payment_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="collection",
            constraint=models.UniqueConstraint(
                condition=models.Q(("closing", False), ("state__in", ["waiting", "asked", "open", "authorised"])),
                fields=("order",),
                name="collection_one_live",
            ),
        ),
        migrations.AddConstraint(
            model_name="collection",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("amount_paise__gt", 0),
                    ("authorised_paise__gte", 0),
                    ("captured_paise__gte", 0),
                    ("price_paise__gte", 0),
                ),
                name="collection_amounts",
            ),
        ),
        migrations.AddConstraint(
            model_name="collection",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("authorised_paise__lte", models.F("amount_paise")),
                    ("captured_paise__lte", models.F("amount_paise")),
                ),
                name="collection_at_most_asked",
            ),
        ),
        migrations.AddIndex(
            model_name="paymentnews",
            index=models.Index(condition=models.Q(("state", "new")), fields=["next_at"], name="payment_news_due"),
        ),
        migrations.AddIndex(
            model_name="paymentnews",
            index=models.Index(fields=["state", "-received_at"], name="payment_news_state"),
        ),
        migrations.AddConstraint(
            model_name="paymentnews",
            constraint=models.UniqueConstraint(fields=("provider", "event_id"), name="payment_news_event_once"),
        ),
        migrations.AddConstraint(
            model_name="paymentnews",
            constraint=models.UniqueConstraint(fields=("provider", "digest"), name="payment_news_body_once"),
        ),
        migrations.AddConstraint(
            model_name="paymentreference",
            constraint=models.UniqueConstraint(fields=("payer", "reference"), name="payment_reference_once"),
        ),
    ]
