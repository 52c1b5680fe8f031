"""Gives overlays, coupon uses and the rules of quoting their tables; the database counts every coupon."""

from decimal import Decimal

import django.core.validators
import django.db.models.deletion
from django.db import migrations, models

LIMITS = """
CREATE FUNCTION coupon_limits() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE most integer; each integer;
BEGIN
  IF NEW.returned_at IS NOT NULL THEN
    RETURN NEW;
  END IF;
  SELECT max_uses, per_customer INTO most, each FROM orders_overlay WHERE id = NEW.overlay_id;
  IF NEW.number < 1 OR NEW.customer_number < 1 OR NEW.number > most OR NEW.customer_number > each THEN
    RAISE EXCEPTION 'coupon %: use % (% of its customer) is beyond its limits', NEW.overlay_id, NEW.number,
      NEW.customer_number USING ERRCODE = 'check_violation', CONSTRAINT = 'coupon_limits';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER coupon_limits BEFORE INSERT OR UPDATE ON orders_couponuse
  FOR EACH ROW EXECUTE FUNCTION coupon_limits();
"""
LIMITS_BACK = """
DROP TRIGGER coupon_limits ON orders_couponuse;
DROP FUNCTION coupon_limits();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("catalog", "0005_tariff_versions"),
        ("orders", "0011_invoice_guards"),
    ]

    operations = [
        migrations.CreateModel(
            name="CouponUse",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.PositiveIntegerField()),
                ("customer", models.CharField(max_length=300)),
                ("customer_number", models.PositiveIntegerField()),
                ("at", models.DateTimeField()),
                ("returned_at", models.DateTimeField(blank=True, null=True)),
            ],
        ),
        migrations.CreateModel(
            name="Member",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("person", models.CharField(help_text="The customer's id as the buyer app sends it.", max_length=255)),
            ],
        ),
        migrations.CreateModel(
            name="Overlay",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("surge", "Surge"),
                            ("group", "Membership or customer group"),
                            ("bulk", "Bulk discount"),
                            ("coupon", "Coupon"),
                        ],
                        max_length=6,
                    ),
                ),
                (
                    "code",
                    models.CharField(
                        help_text="A coupon's code as customers type it.",
                        max_length=64,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^[A-Za-z0-9][A-Za-z0-9._*-]{0,63}$", "Use letters, digits and . _ * - only."
                            )
                        ],
                    ),
                ),
                ("name", models.CharField(help_text="As it stands on the quote.", max_length=100)),
                (
                    "change",
                    models.CharField(
                        choices=[("percent", "Percent"), ("per_kwh", "Per kWh"), ("flat", "Per session")],
                        default="percent",
                        max_length=7,
                    ),
                ),
                (
                    "value",
                    models.DecimalField(
                        decimal_places=2, help_text="Before tax; below 0 it is a discount.", max_digits=9
                    ),
                ),
                (
                    "scope",
                    models.CharField(
                        choices=[("all", "The whole session"), ("energy", "The energy only")],
                        default="all",
                        max_length=6,
                    ),
                ),
                (
                    "cap_paise",
                    models.PositiveBigIntegerField(
                        blank=True, help_text="The most it comes to; empty: no cap.", null=True
                    ),
                ),
                ("active", models.BooleanField(default=True)),
                ("valid_from", models.DateTimeField(blank=True, null=True)),
                (
                    "valid_until",
                    models.DateTimeField(blank=True, help_text="The first moment it holds no more.", null=True),
                ),
                (
                    "announced_at",
                    models.DateTimeField(
                        blank=True, help_text="A surge: since when customers are told of it.", null=True
                    ),
                ),
                ("from_time", models.TimeField(blank=True, help_text="Daily, in the station's time zone.", null=True)),
                ("to_time", models.TimeField(blank=True, null=True)),
                (
                    "bap_id",
                    models.CharField(
                        blank=True, default="", help_text="Empty: any.", max_length=255, verbose_name="buyer app"
                    ),
                ),
                (
                    "group_code",
                    models.CharField(blank=True, default="", help_text="Sent by the buyer app.", max_length=64),
                ),
                (
                    "nth",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="Bulk: from which session on.",
                        null=True,
                        validators=[django.core.validators.MinValueValidator(2)],
                    ),
                ),
                (
                    "within_days",
                    models.PositiveIntegerField(
                        blank=True,
                        null=True,
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(366),
                        ],
                    ),
                ),
                ("min_energy_wh", models.PositiveBigIntegerField(default=0, help_text="The least energy quoted, Wh.")),
                (
                    "min_paise",
                    models.PositiveBigIntegerField(
                        default=0, help_text="The least price before tax and discounts, paise."
                    ),
                ),
                ("max_uses", models.PositiveIntegerField(blank=True, help_text="The first so many orders.", null=True)),
                (
                    "per_customer",
                    models.PositiveIntegerField(blank=True, help_text="So many orders of one customer.", null=True),
                ),
            ],
        ),
        migrations.CreateModel(
            name="QuoteRules",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "without_amount",
                    models.CharField(
                        choices=[("assume", "Assume an amount and say so"), ("refuse", "Ask for an amount")],
                        default="assume",
                        max_length=6,
                    ),
                ),
                (
                    "assumed_wh",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="The amount assumed; empty: the platform's.",
                        null=True,
                        validators=[django.core.validators.MinValueValidator(1)],
                    ),
                ),
                ("loss_percent_ac", models.DecimalField(decimal_places=1, default=Decimal("10.0"), max_digits=4)),
                ("loss_percent_dc", models.DecimalField(decimal_places=1, default=Decimal("5.0"), max_digits=4)),
                (
                    "price_change",
                    models.CharField(
                        choices=[
                            ("never", "The quoted price is guaranteed"),
                            ("announced", "A change is announced before it applies"),
                        ],
                        default="never",
                        max_length=9,
                    ),
                ),
                (
                    "notice_s",
                    models.PositiveIntegerField(
                        default=3600, help_text="How long before it applies a change is told, s."
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "quote rules",
            },
        ),
        migrations.AddField(
            model_name="order",
            name="asked",
            field=models.JSONField(
                blank=True,
                default=dict,
                help_text="What else the wish names: {offers, groups, person, vehicle, power_w}.",
            ),
        ),
        migrations.AddField(
            model_name="payment",
            name="finder_fee",
            field=models.DecimalField(
                decimal_places=2,
                default=Decimal("0"),
                help_text="What the buyer app keeps, in percent of the total or in rupees.",
                max_digits=9,
            ),
        ),
        migrations.AddField(
            model_name="payment",
            name="finder_fee_type",
            field=models.CharField(
                blank=True, choices=[("percent", "Percent"), ("amount", "Amount")], default="", max_length=7
            ),
        ),
        migrations.AddConstraint(
            model_name="payment",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("finder_fee", 0), ("finder_fee_type", "")),
                    models.Q(("finder_fee__gt", 0), ("finder_fee__lte", 100), ("finder_fee_type", "percent")),
                    models.Q(("finder_fee__gt", 0), ("finder_fee_type", "amount")),
                    _connector="OR",
                ),
                name="payment_finder_fee",
            ),
        ),
        migrations.AddField(
            model_name="couponuse",
            name="order",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="coupon_uses", to="orders.order"
            ),
        ),
        migrations.AddField(
            model_name="overlay",
            name="operator",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="overlays", to="catalog.operator"
            ),
        ),
        migrations.AddField(
            model_name="overlay",
            name="station",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="overlays",
                to="catalog.station",
            ),
        ),
        migrations.AddField(
            model_name="member",
            name="overlay",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="members", to="orders.overlay"
            ),
        ),
        migrations.AddField(
            model_name="couponuse",
            name="overlay",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="uses", to="orders.overlay"
            ),
        ),
        migrations.AddField(
            model_name="quoterules",
            name="operator",
            field=models.OneToOneField(
                on_delete=django.db.models.deletion.CASCADE, related_name="quote_rules", to="catalog.operator"
            ),
        ),
        migrations.AddConstraint(
            model_name="overlay",
            constraint=models.UniqueConstraint(fields=("operator", "code"), name="overlay_code"),
        ),
        migrations.AddConstraint(
            model_name="overlay",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kind", "surge"), ("value__gt", 0)),
                    models.Q(models.Q(("kind", "surge"), _negated=True), ("value__lt", 0)),
                    _connector="OR",
                ),
                name="overlay_sign",
                violation_error_message="A surge is above 0, every other overlay below.",
            ),
        ),
        migrations.AddConstraint(
            model_name="overlay",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("change", "percent"), _negated=True),
                    models.Q(("value__gte", -100), ("value__lte", 1000)),
                    _connector="OR",
                ),
                name="overlay_percent",
            ),
        ),
        migrations.AddConstraint(
            model_name="overlay",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("valid_from__isnull", True),
                    ("valid_until__isnull", True),
                    ("valid_until__gt", models.F("valid_from")),
                    _connector="OR",
                ),
                name="overlay_window",
                violation_error_message="The window must end after it begins.",
            ),
        ),
        migrations.AddConstraint(
            model_name="overlay",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kind", "surge"), _negated=True),
                    models.Q(
                        ("announced_at__isnull", False),
                        ("valid_from__gte", models.F("announced_at")),
                        ("valid_until__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="overlay_surge_announced",
                violation_error_message="A surge needs a window and is announced before it begins.",
            ),
        ),
        migrations.AddConstraint(
            model_name="overlay",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kind", "bulk"), _negated=True),
                    models.Q(("nth__gte", 2), ("within_days__gte", 1)),
                    _connector="OR",
                ),
                name="overlay_bulk",
                violation_error_message="A bulk discount needs nth (2 or more) and within_days.",
            ),
        ),
        migrations.AddConstraint(
            model_name="overlay",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("from_time__isnull", True), ("to_time__isnull", True)),
                    models.Q(("from_time__isnull", False), ("to_time__isnull", False)),
                    _connector="OR",
                ),
                name="overlay_times",
                violation_error_message="Give both daily times or neither.",
            ),
        ),
        migrations.AddConstraint(
            model_name="overlay",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("kind", "coupon"),
                    models.Q(("max_uses__isnull", True), ("per_customer__isnull", True)),
                    _connector="OR",
                ),
                name="overlay_only_coupons_count",
                violation_error_message="Only coupons count their uses.",
            ),
        ),
        migrations.AddConstraint(
            model_name="member",
            constraint=models.UniqueConstraint(fields=("overlay", "person"), name="member_once"),
        ),
        migrations.AddConstraint(
            model_name="couponuse",
            constraint=models.UniqueConstraint(
                condition=models.Q(("returned_at__isnull", True)),
                fields=("overlay", "order"),
                name="coupon_once_per_order",
            ),
        ),
        migrations.AddConstraint(
            model_name="couponuse",
            constraint=models.UniqueConstraint(
                condition=models.Q(("returned_at__isnull", True)), fields=("overlay", "number"), name="coupon_number"
            ),
        ),
        migrations.AddConstraint(
            model_name="couponuse",
            constraint=models.UniqueConstraint(
                condition=models.Q(("returned_at__isnull", True)),
                fields=("overlay", "customer", "customer_number"),
                name="coupon_customer_number",
            ),
        ),
        migrations.AddConstraint(
            model_name="quoterules",
            constraint=models.CheckConstraint(
                condition=models.Q(("assumed_wh__isnull", True), ("assumed_wh__gt", 0), _connector="OR"),
                name="quote_rules_assumed",
            ),
        ),
        migrations.AddConstraint(
            model_name="quoterules",
            constraint=models.CheckConstraint(
                condition=models.Q(("loss_percent_ac__gte", 0), ("loss_percent_dc__gte", 0)), name="quote_rules_losses"
            ),
        ),
        migrations.RunSQL(LIMITS, LIMITS_BACK),
    ]
