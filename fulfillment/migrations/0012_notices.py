"""Drivers are told how their charging goes, by the ways their operator switched on."""

import datetime

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import fulfillment.models.notices


class Migration(migrations.Migration):
    dependencies = [
        ("catalog", "0006_two_sign_prefixes"),
        ("fulfillment", "0011_link_rights"),
        ("orders", "0020_never_used"),
    ]

    operations = [
        migrations.CreateModel(
            name="Notice",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("started", "Charging started"),
                            ("eighty", "80 % reached"),
                            ("interrupted", "Charging interrupted"),
                            ("resumed", "Charging goes on"),
                            ("idle-soon", "Standing will cost"),
                            ("done", "Charging ended"),
                            ("receipt", "Receipt"),
                            ("refund", "Refund"),
                        ],
                        max_length=11,
                    ),
                ),
                (
                    "place",
                    models.BigIntegerField(
                        help_text="Which of its kind: the event's, paper's or refund's number, or a second."
                    ),
                ),
                ("way", models.CharField(help_text="E-mail, webhook, …", max_length=20)),
                (
                    "cause",
                    models.CharField(
                        blank=True, default="", help_text="What it is about, where a kind has more.", max_length=20
                    ),
                ),
                ("at", models.DateTimeField(help_text="When it came true.")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("due", "Due"),
                            ("sent", "Sent"),
                            ("dropped", "Not wanted any more"),
                            ("dead", "Given up"),
                        ],
                        default="due",
                        max_length=7,
                    ),
                ),
                ("next_at", models.DateTimeField(blank=True, help_text="Due at; empty once settled.", null=True)),
                ("attempts", models.PositiveIntegerField(default=0)),
                ("sent_at", models.DateTimeField(blank=True, null=True)),
                ("sent_to", models.CharField(blank=True, default="", help_text="To whom, masked.", max_length=255)),
                (
                    "reason",
                    models.CharField(
                        blank=True, default="", help_text="Why it failed or was not sent.", max_length=500
                    ),
                ),
                (
                    "order",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="notices", to="orders.order"
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(condition=models.Q(("next_at__isnull", False)), fields=["next_at"], name="notice_due"),
                    models.Index(fields=["at"], name="notice_at"),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("order", "kind", "place", "way"), name="notice_once"),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("next_at__isnull", False), ("state", "due")),
                            models.Q(models.Q(("state", "due"), _negated=True), ("next_at__isnull", True)),
                            _connector="OR",
                        ),
                        name="notice_due_has_time",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state", "sent"), _negated=True), ("sent_at__isnull", False), _connector="OR"
                        ),
                        name="notice_sent_has_time",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="NoticeOptOut",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("address_hash", models.CharField(max_length=64)),
                ("at", models.DateTimeField()),
                (
                    "operator",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="notice_opt_outs",
                        to="catalog.operator",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("operator", "address_hash"), name="notice_opt_out_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="NoticeSettings",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "active",
                    models.BooleanField(default=False, help_text="Off: drivers of this operator are told nothing."),
                ),
                (
                    "active_since",
                    models.DateTimeField(blank=True, editable=False, help_text="Nothing older is told.", null=True),
                ),
                (
                    "switches",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=40),
                        blank=True,
                        default=fulfillment.models.notices.all_switches,
                        size=None,
                    ),
                ),
                (
                    "language",
                    models.CharField(
                        choices=[("en", "English"), ("hi", "हिन्दी"), ("kn", "ಕನ್ನಡ")],
                        default="en",
                        help_text="Where the order names none.",
                        max_length=2,
                    ),
                ),
                ("quiet_from", models.TimeField(default=datetime.time(22, 0), help_text="By the station's clock.")),
                (
                    "quiet_until",
                    models.TimeField(
                        default=datetime.time(7, 0), help_text="The same time as above: there are no quiet hours."
                    ),
                ),
                (
                    "quiet_kinds",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=11),
                        blank=True,
                        default=fulfillment.models.notices.waiting_kinds,
                        help_text="These wait until the morning.",
                        size=None,
                    ),
                ),
                (
                    "links",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=20),
                        blank=True,
                        default=fulfillment.models.notices.linked_ways,
                        help_text="Where the link of the live page is given: whoever has it sees the session.",
                        size=None,
                    ),
                ),
                (
                    "webhook_url",
                    models.URLField(blank=True, default="", help_text="https; empty: no webhook.", max_length=500),
                ),
                (
                    "webhook_number",
                    models.PositiveIntegerField(default=1, editable=False, help_text="Of the webhook's secret."),
                ),
                ("webhook_changed_at", models.DateTimeField(blank=True, editable=False, null=True)),
                (
                    "updated_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
                ),
                (
                    "operator",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="notice_settings",
                        to="catalog.operator",
                    ),
                ),
            ],
            options={
                "verbose_name": "notice settings",
                "verbose_name_plural": "notice settings",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "quiet_kinds__contained_by",
                                [
                                    "started",
                                    "eighty",
                                    "interrupted",
                                    "resumed",
                                    "idle-soon",
                                    "done",
                                    "receipt",
                                    "refund",
                                ],
                            )
                        ),
                        name="notice_settings_quiet_kinds",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("language__in", ["en", "hi", "kn"])), name="notice_settings_language"
                    ),
                ],
            },
        ),
    ]
