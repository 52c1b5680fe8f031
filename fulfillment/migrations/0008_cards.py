"""Registered cards, their accounts with entries that stay, and the sessions they charge without an order."""

import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

# Entries of card accounts stay as they are; what we take out leaves a prepaid account at zero at least. The account's
# row is locked so that two writers cannot each find it full enough.
ENTRIES = """
CREATE FUNCTION card_entry_keep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'card entry % is kept for good: add one that corrects it', OLD.id
    USING ERRCODE = 'check_violation', CONSTRAINT = 'card_entry_append_only';
END $$;
CREATE TRIGGER card_entry_append_only BEFORE UPDATE OR DELETE ON fulfillment_cardentry
  FOR EACH ROW EXECUTE FUNCTION card_entry_keep();
CREATE FUNCTION card_entry_purse() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  paid_before boolean;
  left_paise numeric;
BEGIN
  SELECT kind = 'prepaid' INTO paid_before FROM fulfillment_cardaccount WHERE id = NEW.account_id FOR NO KEY UPDATE;
  SELECT sum(paise) INTO left_paise FROM fulfillment_cardentry WHERE account_id = NEW.account_id;
  IF paid_before AND left_paise < 0 THEN
    RAISE EXCEPTION 'card account % would fall to % paise', NEW.account_id, left_paise
      USING ERRCODE = 'check_violation', CONSTRAINT = 'card_account_not_negative';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER card_entry_purse AFTER INSERT ON fulfillment_cardentry
  FOR EACH ROW WHEN (NEW.paise < 0 AND NEW.walk_in_id IS NULL) EXECUTE FUNCTION card_entry_purse();
"""
ENTRIES_BACK = """
DROP TRIGGER card_entry_purse ON fulfillment_cardentry;
DROP FUNCTION card_entry_purse();
DROP TRIGGER card_entry_append_only ON fulfillment_cardentry;
DROP FUNCTION card_entry_keep();
"""

# A card and the account it charges are one operator's, whichever of the two is changed.
OWNERS = """
CREATE FUNCTION card_owner() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.operator_id <> (SELECT operator_id FROM fulfillment_cardaccount WHERE id = NEW.account_id) THEN
    RAISE EXCEPTION 'card % and its account belong to different operators', NEW.id
      USING ERRCODE = 'check_violation', CONSTRAINT = 'card_account_of_operator';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER card_owner BEFORE INSERT OR UPDATE ON fulfillment_card FOR EACH ROW EXECUTE FUNCTION card_owner();
CREATE FUNCTION card_account_keep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.operator_id, NEW.currency) IS DISTINCT FROM (OLD.operator_id, OLD.currency) THEN
    RAISE EXCEPTION 'card account % keeps its operator and its currency', OLD.id
      USING ERRCODE = 'check_violation', CONSTRAINT = 'card_account_kept';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER card_account_keep BEFORE UPDATE ON fulfillment_cardaccount
  FOR EACH ROW EXECUTE FUNCTION card_account_keep();
"""
OWNERS_BACK = """
DROP TRIGGER card_account_keep ON fulfillment_cardaccount;
DROP FUNCTION card_account_keep();
DROP TRIGGER card_owner ON fulfillment_card;
DROP FUNCTION card_owner();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("catalog", "0006_two_sign_prefixes"),
        ("fulfillment", "0007_workflow_instances"),
    ]

    operations = [
        migrations.CreateModel(
            name="Card",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "uid",
                    models.CharField(
                        max_length=64,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^[0-9A-Z._*~/+=]{1,64}$",
                                "Write the card's id as readers report it; spaces, : and - are left out by themselves.",
                            )
                        ],
                        verbose_name="card id",
                    ),
                ),
                (
                    "label",
                    models.CharField(
                        blank=True, default="", help_text="Whose it is, or what is printed on it.", max_length=100
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[("active", "Active"), ("blocked", "Blocked"), ("lost", "Lost")],
                        default="active",
                        max_length=7,
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
                ),
            ],
        ),
        migrations.CreateModel(
            name="CardAccount",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=200)),
                (
                    "kind",
                    models.CharField(
                        choices=[("contract", "Contract, billed later"), ("prepaid", "Prepaid")], max_length=8
                    ),
                ),
                ("currency", models.CharField(default="INR", max_length=3)),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
                ),
            ],
        ),
        migrations.CreateModel(
            name="CardEntry",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("topup", "Top-up"),
                            ("withdrawal", "Withdrawal"),
                            ("charge", "Charge"),
                            ("correction", "Correction"),
                        ],
                        max_length=10,
                    ),
                ),
                ("paise", models.BigIntegerField()),
                ("reason", models.CharField(max_length=300)),
                ("actor", models.CharField(max_length=150)),
                ("at", models.DateTimeField()),
            ],
            options={
                "verbose_name_plural": "card entries",
            },
        ),
        migrations.CreateModel(
            name="WalkIn",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("starting", "Starting"),
                            ("charging", "Charging"),
                            ("ending", "Ending"),
                            ("ended", "Ended"),
                            ("failed", "Failed"),
                        ],
                        default="starting",
                        max_length=8,
                    ),
                ),
                (
                    "scanned_as",
                    models.CharField(help_text="The card's id as the station side knows it.", max_length=128),
                ),
                (
                    "remote_id",
                    models.CharField(
                        blank=True, default="", help_text="The station side's session id.", max_length=128
                    ),
                ),
                ("slot_number", models.PositiveSmallIntegerField(blank=True, null=True)),
                ("stop_reason", models.CharField(blank=True, default="", max_length=40)),
                ("fault", models.TextField(blank=True, default="")),
                ("asked_at", models.DateTimeField(help_text="When the present wish came up.")),
                ("started_at", models.DateTimeField(blank=True, null=True)),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                ("meter_start_wh", models.BigIntegerField(blank=True, null=True)),
                ("meter_wh", models.BigIntegerField(blank=True, help_text="Newest accepted register.", null=True)),
                ("meter_stop_wh", models.BigIntegerField(blank=True, null=True)),
                ("power_w", models.PositiveIntegerField(default=0)),
                ("soc_percent", models.PositiveSmallIntegerField(blank=True, null=True)),
                (
                    "read_at",
                    models.DateTimeField(blank=True, help_text="Time of the newest accepted reading.", null=True),
                ),
                (
                    "provisional",
                    models.BooleanField(default=False, help_text="Billed without the last register; it may come late."),
                ),
                (
                    "payment_due",
                    models.BooleanField(
                        default=False,
                        help_text="The station's supplier refused the session's payment, or could not be asked.",
                    ),
                ),
                (
                    "tariff",
                    models.JSONField(
                        blank=True, help_text="The terms it is priced by, as they were at its start.", null=True
                    ),
                ),
                ("lines", models.JSONField(blank=True, default=list)),
                (
                    "amount_paise",
                    models.BigIntegerField(blank=True, help_text="What it costs, so far or in the end.", null=True),
                ),
                (
                    "next_at",
                    models.DateTimeField(blank=True, help_text="When the station is asked how it goes.", null=True),
                ),
                ("attempts", models.IntegerField(default=0)),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
                ),
                (
                    "updated_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False),
                ),
            ],
        ),
        migrations.CreateModel(
            name="WalkInReading",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.DateTimeField()),
                ("energy_wh", models.BigIntegerField()),
                ("power_w", models.IntegerField(blank=True, null=True)),
                ("current_a", models.DecimalField(blank=True, decimal_places=2, max_digits=8, null=True)),
                ("accepted", models.BooleanField(default=True)),
                ("reason", models.CharField(blank=True, default="", max_length=200)),
            ],
        ),
        migrations.AddIndex(
            model_name="stationevent",
            index=models.Index(fields=["station", "time"], name="station_event_at"),
        ),
        migrations.AddField(
            model_name="card",
            name="operator",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="cards", to="catalog.operator"
            ),
        ),
        migrations.AddField(
            model_name="cardaccount",
            name="operator",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="card_accounts", to="catalog.operator"
            ),
        ),
        migrations.AddField(
            model_name="card",
            name="account",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="cards", to="fulfillment.cardaccount"
            ),
        ),
        migrations.AddField(
            model_name="cardentry",
            name="account",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="entries", to="fulfillment.cardaccount"
            ),
        ),
        migrations.AddField(
            model_name="walkin",
            name="account",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="walk_ins", to="fulfillment.cardaccount"
            ),
        ),
        migrations.AddField(
            model_name="walkin",
            name="card",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="walk_ins", to="fulfillment.card"
            ),
        ),
        migrations.AddField(
            model_name="walkin",
            name="connector",
            field=models.ForeignKey(
                blank=True,
                help_text="Whose tariff prices it.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="walk_ins",
                to="catalog.connector",
            ),
        ),
        migrations.AddField(
            model_name="walkin",
            name="evse",
            field=models.ForeignKey(
                blank=True,
                help_text="Empty until the station gave a slot.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="walk_ins",
                to="catalog.evse",
            ),
        ),
        migrations.AddField(
            model_name="walkin",
            name="station",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="walk_ins", to="catalog.station"
            ),
        ),
        migrations.AddField(
            model_name="cardentry",
            name="walk_in",
            field=models.ForeignKey(
                blank=True,
                help_text="Whose bill it is.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="entries",
                to="fulfillment.walkin",
            ),
        ),
        migrations.AddField(
            model_name="workflowinstance",
            name="walk_in",
            field=models.ForeignKey(
                blank=True,
                help_text="Of a card.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="workflows",
                to="fulfillment.walkin",
            ),
        ),
        migrations.AddField(
            model_name="walkinreading",
            name="walk_in",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="readings", to="fulfillment.walkin"
            ),
        ),
        migrations.AddConstraint(
            model_name="cardaccount",
            constraint=models.UniqueConstraint(fields=("operator", "name"), name="card_account_name"),
        ),
        migrations.AddConstraint(
            model_name="card",
            constraint=models.UniqueConstraint(fields=("operator", "uid"), name="card_uid"),
        ),
        migrations.AddConstraint(
            model_name="card",
            constraint=models.CheckConstraint(
                condition=models.Q(("uid__regex", "^[0-9A-Z._*~/+=]{1,64}$")), name="card_uid_form"
            ),
        ),
        migrations.AddIndex(
            model_name="walkin",
            index=models.Index(condition=models.Q(("next_at__isnull", False)), fields=["next_at"], name="walk_in_due"),
        ),
        migrations.AddIndex(
            model_name="walkin",
            index=models.Index(
                condition=models.Q(("state__in", ["starting", "ending"])), fields=["asked_at"], name="walk_in_in_hand"
            ),
        ),
        migrations.AddIndex(
            model_name="walkin",
            index=models.Index(
                condition=models.Q(("remote_id", ""), _negated=True), fields=["remote_id"], name="walk_in_remote"
            ),
        ),
        migrations.AddIndex(
            model_name="walkin",
            index=models.Index(
                condition=models.Q(("provisional", True)), fields=["updated_at"], name="walk_in_provisional"
            ),
        ),
        migrations.AddIndex(
            model_name="walkin",
            index=models.Index(fields=["-created_at"], name="walk_in_newest"),
        ),
        migrations.AddConstraint(
            model_name="walkin",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state__in", ["starting", "charging", "ending"])),
                fields=("card",),
                name="walk_in_one_per_card",
            ),
        ),
        migrations.AddConstraint(
            model_name="walkin",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state__in", ["starting", "charging", "ending"])),
                fields=("evse",),
                name="walk_in_one_per_evse",
            ),
        ),
        migrations.AddConstraint(
            model_name="walkin",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("meter_stop_wh__isnull", True), ("meter_stop_wh__gte", models.F("meter_start_wh")), _connector="OR"
                ),
                name="walk_in_meter_forward",
            ),
        ),
        migrations.AddConstraint(
            model_name="walkin",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "ended"), _negated=True),
                    models.Q(
                        ("ended_at__gte", models.F("started_at")),
                        ("meter_stop_wh__isnull", False),
                        ("started_at__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="walk_in_ended_is_metered",
            ),
        ),
        migrations.AddConstraint(
            model_name="walkin",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state__in", ["charging", "ended"]), _negated=True),
                    models.Q(("connector__isnull", False), ("evse__isnull", False), ("tariff__isnull", False)),
                    _connector="OR",
                ),
                name="walk_in_charges_at_a_price",
            ),
        ),
        migrations.AddConstraint(
            model_name="walkin",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "failed"), _negated=True), ("ended_at__isnull", False), _connector="OR"
                ),
                name="walk_in_failed_has_an_end",
            ),
        ),
        migrations.AddConstraint(
            model_name="walkin",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount_paise__isnull", True), ("amount_paise__gte", 0), _connector="OR"),
                name="walk_in_amount",
            ),
        ),
        migrations.AddIndex(
            model_name="cardentry",
            index=models.Index(fields=["account", "id"], name="card_entry_account"),
        ),
        migrations.AddConstraint(
            model_name="cardentry",
            constraint=models.UniqueConstraint(
                condition=models.Q(("kind", "charge")), fields=("walk_in",), name="card_entry_charged_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="cardentry",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kind", "topup"), ("paise__gt", 0), ("walk_in__isnull", True)),
                    models.Q(("kind", "withdrawal"), ("paise__lt", 0), ("walk_in__isnull", True)),
                    models.Q(("kind", "charge"), ("paise__lt", 0), ("walk_in__isnull", False)),
                    models.Q(("kind", "correction"), models.Q(("paise", 0), _negated=True)),
                    _connector="OR",
                ),
                name="card_entry_direction",
            ),
        ),
        migrations.AddConstraint(
            model_name="walkinreading",
            constraint=models.UniqueConstraint(
                condition=models.Q(("accepted", True)), fields=("walk_in", "at"), name="walk_in_reading_once"
            ),
        ),
        migrations.AddIndex(
            model_name="session",
            index=models.Index(fields=["card"], name="session_card"),
        ),
        migrations.RunSQL(ENTRIES, ENTRIES_BACK),
        migrations.RunSQL(OWNERS, OWNERS_BACK),
    ]
