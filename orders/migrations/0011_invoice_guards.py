"""Holds the papers in the database: what was issued stays, a series has no gaps, lines and taxes add up to the total."""

from django.db import migrations

KEPT = """
CREATE FUNCTION invoice_keep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is issued and stays as it is: issue a credit or debit note', OLD.number
    USING ERRCODE = 'check_violation', CONSTRAINT = 'invoice_immutable';
END $$;
CREATE TRIGGER invoice_immutable BEFORE UPDATE OR DELETE ON orders_invoice
  FOR EACH ROW EXECUTE FUNCTION invoice_keep();
"""
KEPT_BACK = """
DROP TRIGGER invoice_immutable ON orders_invoice;
DROP FUNCTION invoice_keep();
"""

# The counter's row is locked by whoever raises it, so that numbers are given one after the other.
CONSECUTIVE = """
CREATE FUNCTION invoice_in_series() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (SELECT 1 FROM orders_invoiceseries
      WHERE (operator_id, kind, year, last) = (NEW.operator_id, NEW.kind, NEW.year, NEW.sequence)) THEN
    RAISE EXCEPTION '% % of % is not the next number of its series', NEW.kind, NEW.sequence, NEW.year
      USING ERRCODE = 'check_violation', CONSTRAINT = 'invoice_consecutive';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER invoice_consecutive BEFORE INSERT ON orders_invoice FOR EACH ROW EXECUTE FUNCTION invoice_in_series();
CREATE FUNCTION invoiceseries_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (TG_OP = 'INSERT' AND NEW.last IN (0, 1)) OR (TG_OP = 'UPDATE' AND (NEW.id, NEW.operator_id, NEW.kind, NEW.year,
      NEW.last) = (OLD.id, OLD.operator_id, OLD.kind, OLD.year, OLD.last + 1)) THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'a series of numbers begins with 1 and goes up by one'
    USING ERRCODE = 'check_violation', CONSTRAINT = 'invoice_consecutive';
END $$;
CREATE TRIGGER invoiceseries_guard BEFORE INSERT OR UPDATE OR DELETE ON orders_invoiceseries
  FOR EACH ROW EXECUTE FUNCTION invoiceseries_guard();
CREATE FUNCTION invoiceseries_used() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.last > 0 AND NOT EXISTS (SELECT 1 FROM orders_invoice
      WHERE (operator_id, kind, year, sequence) = (NEW.operator_id, NEW.kind, NEW.year, NEW.last)) THEN
    RAISE EXCEPTION 'number % of the series % of % was taken and not used', NEW.last, NEW.kind, NEW.year
      USING ERRCODE = 'check_violation', CONSTRAINT = 'invoice_gapless';
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER invoice_gapless AFTER INSERT OR UPDATE ON orders_invoiceseries DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION invoiceseries_used();
"""
CONSECUTIVE_BACK = """
DROP TRIGGER invoice_gapless ON orders_invoiceseries;
DROP FUNCTION invoiceseries_used();
DROP TRIGGER invoiceseries_guard ON orders_invoiceseries;
DROP FUNCTION invoiceseries_guard();
DROP TRIGGER invoice_consecutive ON orders_invoice;
DROP FUNCTION invoice_in_series();
"""

ADDS_UP = """
ALTER TABLE orders_invoice ADD CONSTRAINT invoice_lines_add_up
  CHECK (taxable_paise = quote_lines_total(lines) AND tax_paise = quote_lines_total(taxes));
"""
ADDS_UP_BACK = "ALTER TABLE orders_invoice DROP CONSTRAINT invoice_lines_add_up;"


class Migration(migrations.Migration):
    dependencies = [("orders", "0010_invoices")]

    operations = [
        migrations.RunSQL(KEPT, KEPT_BACK),
        migrations.RunSQL(CONSECUTIVE, CONSECUTIVE_BACK),
        migrations.RunSQL(ADDS_UP, ADDS_UP_BACK),
    ]
