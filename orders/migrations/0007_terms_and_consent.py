"""Gives published terms and recorded consents their tables; the database keeps both as they were written."""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Q
from django.db.models.functions import Now

DIGEST = """
CREATE FUNCTION terms_digest(en text, hi text, kn text) RETURNS text LANGUAGE sql IMMUTABLE STRICT AS $$
  SELECT encode(sha256(convert_to(en || chr(30) || hi || chr(30) || kn, 'UTF8')), 'hex')
$$;
ALTER TABLE orders_terms ADD CONSTRAINT terms_digest_fits
  CHECK (published_at IS NULL OR (text_en <> '' AND sha256 = terms_digest(text_en, text_hi, text_kn)));
ALTER TABLE orders_terms ADD CONSTRAINT terms_texts_are_plain
  CHECK (position(chr(30) in text_en || text_hi || text_kn) = 0);
"""
DIGEST_BACK = """
ALTER TABLE orders_terms DROP CONSTRAINT terms_texts_are_plain;
ALTER TABLE orders_terms DROP CONSTRAINT terms_digest_fits;
DROP FUNCTION terms_digest(text, text, text);
"""

PUBLISHED = """
CREATE FUNCTION terms_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    IF OLD.published_at IS NOT NULL THEN
      RAISE EXCEPTION 'terms % are published and stay as they are', OLD.id
        USING ERRCODE = 'check_violation', CONSTRAINT = 'terms_published_stay';
    END IF;
    RETURN OLD;
  END IF;
  IF OLD.published_at IS NOT NULL AND (
    to_jsonb(NEW) - 'withdrawn_at' <> to_jsonb(OLD) - 'withdrawn_at'
    OR (OLD.withdrawn_at IS NOT NULL AND NEW.withdrawn_at IS DISTINCT FROM OLD.withdrawn_at)
  ) THEN
    RAISE EXCEPTION 'terms % are published and stay as they are; publish a new version', OLD.id
      USING ERRCODE = 'check_violation', CONSTRAINT = 'terms_published_stay';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER terms_published_stay BEFORE UPDATE OR DELETE ON orders_terms
  FOR EACH ROW EXECUTE FUNCTION terms_guard();
"""
PUBLISHED_BACK = """
DROP TRIGGER terms_published_stay ON orders_terms;
DROP FUNCTION terms_guard();
"""

CONSENTS = """
CREATE FUNCTION consent_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP <> 'INSERT' THEN
    RAISE EXCEPTION 'consent % is evidence: it is never changed or deleted', OLD.id
      USING ERRCODE = 'check_violation', CONSTRAINT = 'consent_append_only';
  END IF;
  IF NOT EXISTS (
    SELECT FROM orders_terms AS t JOIN orders_order AS o ON o.operator_id = t.operator_id
    WHERE t.id = NEW.terms_id AND o.id = NEW.order_id AND t.published_at IS NOT NULL AND t.sha256 = NEW.sha256
  ) THEN
    RAISE EXCEPTION 'consent of order % fits no published text of its operator', NEW.order_id
      USING ERRCODE = 'check_violation', CONSTRAINT = 'consent_fits_terms';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER consent_append_only BEFORE INSERT OR UPDATE OR DELETE ON orders_consent
  FOR EACH ROW EXECUTE FUNCTION consent_guard();
"""
CONSENTS_BACK = """
DROP TRIGGER consent_append_only ON orders_consent;
DROP FUNCTION consent_guard();
"""

KINDS = [
    ("general", "General terms"),
    ("cancellation", "Cancellation"),
    ("refund", "Refunds"),
    ("privacy", "Privacy"),
    ("dispute", "Dispute resolution"),
    ("governing-law", "Governing law"),
]
SERVICES = [("", "Every service"), ("now", "Charging at once"), ("reserved", "Reservations")]
CHANNELS = [("form", "Our form"), ("declared", "Declared by the buyer app")]


class Migration(migrations.Migration):
    dependencies = [("orders", "0006_collections")]

    operations = [
        migrations.CreateModel(
            name="Terms",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("kind", models.CharField(choices=KINDS, max_length=13)),
                ("service", models.CharField(blank=True, choices=SERVICES, default="", max_length=8)),
                ("state", models.CharField(blank=True, default="", help_text="Of the Union; empty: everywhere.", max_length=100)),
                ("city", models.CharField(blank=True, default="", help_text="Empty: everywhere.", max_length=100)),
                ("version", models.PositiveIntegerField(default=1)),
                ("text_en", models.TextField(help_text="Plain text; an empty line begins a new paragraph.", verbose_name="English")),
                ("text_hi", models.TextField(blank=True, default="", help_text="Empty: the English text is shown.", verbose_name="Hindi")),
                ("text_kn", models.TextField(blank=True, default="", help_text="Empty: the English text is shown.", verbose_name="Kannada")),
                ("required", models.BooleanField(default=True, help_text="Nobody may confirm an order without agreeing to it.")),
                ("form_only", models.BooleanField(default=False, help_text="Only our form counts, even where the network lets buyer apps declare consent.")),
                ("sha256", models.CharField(blank=True, default="", editable=False, max_length=64)),
                ("valid_from", models.DateTimeField(db_default=Now(), help_text="Holds for orders agreed from then on.")),
                ("published_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("withdrawn_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("created_at", models.DateTimeField(db_default=Now(), editable=False)),
                ("operator", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="terms", to="catalog.operator")),
                ("station", models.ForeignKey(blank=True, help_text="Empty: everywhere.", null=True, on_delete=django.db.models.deletion.PROTECT, related_name="terms", to="catalog.station")),
            ],
            options={
                "verbose_name": "terms",
                "verbose_name_plural": "terms",
                "indexes": [models.Index(condition=Q(("published_at__isnull", False), ("withdrawn_at__isnull", True)), fields=["operator", "valid_from"], name="terms_standing")],
                "constraints": [
                    models.UniqueConstraint(fields=("operator", "kind", "service", "state", "city", "station", "version"), name="terms_version", nulls_distinct=False),
                    models.CheckConstraint(condition=Q(("station__isnull", True), Q(("city", ""), ("state", "")), _connector="OR"), name="terms_one_place"),
                    models.CheckConstraint(condition=Q(Q(("published_at__isnull", True), ("withdrawn_at__isnull", True)), ("published_at__isnull", False), _connector="OR"), name="terms_withdrawn_were_published"),
                ],
            },
        ),
        migrations.CreateModel(
            name="Consent",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("sha256", models.CharField(max_length=64)),
                ("at", models.DateTimeField()),
                ("channel", models.CharField(choices=CHANNELS, max_length=8)),
                ("bap_id", models.CharField(max_length=255)),
                ("language", models.CharField(blank=True, default="", help_text="Of the form; empty where declared.", max_length=2)),
                ("evidence", models.JSONField(blank=True, default=dict)),
                ("order", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="consents", to="orders.order")),
                ("terms", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="consents", to="orders.terms")),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("order", "terms"), name="consent_once"),
                    models.CheckConstraint(condition=Q(("sha256__regex", "^[0-9a-f]{64}$")), name="consent_digest"),
                ],
            },
        ),
        migrations.RunSQL(DIGEST, DIGEST_BACK),
        migrations.RunSQL(PUBLISHED, PUBLISHED_BACK),
        migrations.RunSQL(CONSENTS, CONSENTS_BACK),
    ]  # fmt: skip
