"""Keeps every price a tariff ever had: a change of prices makes a version, and a version is never changed."""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import Q
from django.db.models.functions import Now

FUNCTIONS = """
CREATE FUNCTION tariff_prices(t catalog_tariff) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
  SELECT jsonb_build_array(t.currency, t.elements, t.gst_percent::text, t.min_price, t.max_price)
$$;
CREATE FUNCTION version_prices(v catalog_tariffversion) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
  SELECT jsonb_build_array(v.currency, v.elements, v.gst_percent::text, v.min_price, v.max_price)
$$;

CREATE FUNCTION tariff_first_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO catalog_tariffversion
    (tariff_id, number, currency, elements, gst_percent, min_price, max_price, planned)
  VALUES (NEW.id, NEW.version, NEW.currency, NEW.elements, NEW.gst_percent, NEW.min_price, NEW.max_price, false);
  RETURN NULL;
END $$;

-- A planned version comes into force by writing its number and its prices; any other change of prices is a new version.
CREATE FUNCTION tariff_next_version() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE taken integer;
BEGIN
  IF NEW.version <> OLD.version THEN
    UPDATE catalog_tariffversion v SET planned = false
      WHERE v.tariff_id = NEW.id AND v.number = NEW.version AND v.planned AND version_prices(v) = tariff_prices(NEW)
      RETURNING v.number INTO taken;
    IF taken IS NOT NULL THEN
      RETURN NEW;
    END IF;
  END IF;
  NEW.version := OLD.version;
  IF tariff_prices(NEW) <> tariff_prices(OLD) THEN
    SELECT max(number) + 1 INTO NEW.version FROM catalog_tariffversion WHERE tariff_id = NEW.id;
    INSERT INTO catalog_tariffversion
      (tariff_id, number, valid_from, currency, elements, gst_percent, min_price, max_price, planned)
    VALUES (NEW.id, NEW.version, clock_timestamp(), NEW.currency, NEW.elements, NEW.gst_percent, NEW.min_price,
            NEW.max_price, false);
  END IF;
  RETURN NEW;
END $$;

CREATE FUNCTION tariffversion_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    IF OLD.used_at IS NULL THEN
      RETURN OLD;
    END IF;
    RAISE EXCEPTION 'version % of tariff % was quoted and stays', OLD.number, OLD.tariff_id
      USING ERRCODE = 'check_violation', CONSTRAINT = 'version_used_stays';
  END IF;
  IF to_jsonb(NEW) - '{planned,used_at}'::text[] = to_jsonb(OLD) - '{planned,used_at}'::text[]
     AND (OLD.used_at IS NULL OR NEW.used_at IS NOT DISTINCT FROM OLD.used_at)
     AND (OLD.planned OR NOT NEW.planned) THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'version % of tariff % stays as it is; make a new version', OLD.number, OLD.tariff_id
    USING ERRCODE = 'check_violation', CONSTRAINT = 'version_never_changed';
END $$;
"""

TRIGGERS = """
CREATE TRIGGER tariff_first_version AFTER INSERT ON catalog_tariff
  FOR EACH ROW EXECUTE FUNCTION tariff_first_version();
CREATE TRIGGER tariff_next_version BEFORE UPDATE ON catalog_tariff
  FOR EACH ROW EXECUTE FUNCTION tariff_next_version();
CREATE TRIGGER tariffversion_guard BEFORE UPDATE OR DELETE ON catalog_tariffversion
  FOR EACH ROW EXECUTE FUNCTION tariffversion_guard();
INSERT INTO catalog_tariffversion
  (tariff_id, number, currency, elements, gst_percent, min_price, max_price, planned)
SELECT id, version, currency, elements, gst_percent, min_price, max_price, false FROM catalog_tariff;
"""

BACK = """
DROP TRIGGER tariff_first_version ON catalog_tariff;
DROP TRIGGER tariff_next_version ON catalog_tariff;
DROP TRIGGER tariffversion_guard ON catalog_tariffversion;
DROP FUNCTION tariff_first_version();
DROP FUNCTION tariff_next_version();
DROP FUNCTION tariffversion_guard();
DROP FUNCTION tariff_prices(catalog_tariff);
DROP FUNCTION version_prices(catalog_tariffversion);
"""


class Migration(migrations.Migration):
    dependencies = [("catalog", "0004_tax_identity")]

    operations = [
        migrations.AddField(
            model_name="tariff",
            name="version",
            field=models.PositiveIntegerField(
                default=1, editable=False, help_text="The version whose prices these are."
            ),
        ),
        migrations.CreateModel(
            name="TariffVersion",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.PositiveIntegerField()),
                (
                    "valid_from",
                    models.DateTimeField(blank=True, help_text="Empty: from the beginning.", null=True),
                ),
                ("currency", models.CharField(max_length=3)),
                ("elements", models.JSONField()),
                ("gst_percent", models.DecimalField(decimal_places=2, max_digits=5)),
                ("min_price", models.JSONField(blank=True, null=True)),
                ("max_price", models.JSONField(blank=True, null=True)),
                ("planned", models.BooleanField(default=False, help_text="Not yet in force.")),
                (
                    "used_at",
                    models.DateTimeField(blank=True, help_text="When it was first quoted.", null=True),
                ),
                ("created_at", models.DateTimeField(db_default=Now())),
                (
                    "tariff",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="versions", to="catalog.tariff"
                    ),
                ),
            ],
            options={"ordering": ["tariff", "-number"]},
        ),
        migrations.AddConstraint(
            model_name="tariffversion",
            constraint=models.UniqueConstraint(fields=("tariff", "number"), name="version_number"),
        ),
        migrations.AddConstraint(
            model_name="tariffversion",
            constraint=models.UniqueConstraint(
                condition=Q(("planned", True)), fields=("tariff", "valid_from"), name="version_planned_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="tariffversion",
            constraint=models.CheckConstraint(
                condition=Q(("planned", False), ("valid_from__isnull", False), _connector="OR"),
                name="version_planned_has_time",
            ),
        ),
        migrations.RunSQL(FUNCTIONS + TRIGGERS, BACK),
    ]
