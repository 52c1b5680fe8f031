"""Holds the books in the database: journals balance and stay, no purse goes below zero, refunds never exceed the money paid."""

from django.db import migrations

KEPT = """
CREATE FUNCTION books_keep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% % is kept for good: post a journal that reverses it', TG_TABLE_NAME, OLD.id
    USING ERRCODE = 'check_violation', CONSTRAINT = 'books_append_only';
END $$;
CREATE TRIGGER journal_append_only BEFORE UPDATE OR DELETE ON orders_journal
  FOR EACH ROW EXECUTE FUNCTION books_keep();
CREATE TRIGGER posting_append_only BEFORE UPDATE OR DELETE ON orders_posting
  FOR EACH ROW EXECUTE FUNCTION books_keep();
"""
KEPT_BACK = """
DROP TRIGGER posting_append_only ON orders_posting;
DROP TRIGGER journal_append_only ON orders_journal;
DROP FUNCTION books_keep();
"""

BALANCED = """
CREATE FUNCTION journal_must_balance(wanted bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  off record;
BEGIN
  SELECT currency, sum(paise) AS paise INTO off FROM orders_posting
    WHERE journal_id = wanted GROUP BY currency HAVING sum(paise) <> 0 LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'journal % is off by % paise %', wanted, off.paise, off.currency
      USING ERRCODE = 'check_violation', CONSTRAINT = 'journal_balanced';
  END IF;
  IF NOT EXISTS (SELECT 1 FROM orders_posting WHERE journal_id = wanted) THEN
    RAISE EXCEPTION 'journal % moves nothing', wanted
      USING ERRCODE = 'check_violation', CONSTRAINT = 'journal_balanced';
  END IF;
  IF EXISTS (
    SELECT 1 FROM orders_posting AS leg JOIN orders_journal AS whole ON whole.id = leg.journal_id
      WHERE leg.journal_id = wanted AND (leg.order_id, leg.operator_id, leg.bap_id)
        IS DISTINCT FROM (whole.order_id, whole.operator_id, whole.bap_id)
  ) THEN
    RAISE EXCEPTION 'a posting of journal % names another order, operator or buyer app', wanted
      USING ERRCODE = 'check_violation', CONSTRAINT = 'journal_balanced';
  END IF;
END $$;
CREATE FUNCTION posting_balance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM journal_must_balance(NEW.journal_id);
  RETURN NULL;
END $$;
CREATE FUNCTION journal_balance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM journal_must_balance(NEW.id);
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER posting_balanced AFTER INSERT ON orders_posting DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION posting_balance();
CREATE CONSTRAINT TRIGGER journal_balanced AFTER INSERT ON orders_journal DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION journal_balance();
"""
BALANCED_BACK = """
DROP TRIGGER journal_balanced ON orders_journal;
DROP TRIGGER posting_balanced ON orders_posting;
DROP FUNCTION journal_balance();
DROP FUNCTION posting_balance();
DROP FUNCTION journal_must_balance(bigint);
"""

# The order's row is locked so that two writers cannot each find the purse full enough.
PURSES = """
CREATE FUNCTION posting_purse() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  left_paise numeric;
BEGIN
  PERFORM 1 FROM orders_order WHERE id = NEW.order_id FOR NO KEY UPDATE;
  SELECT sum(paise) INTO left_paise FROM orders_posting
    WHERE order_id = NEW.order_id AND account = NEW.account AND currency = NEW.currency;
  IF NEW.account IN ('held', 'refunds-due') THEN
    left_paise := -left_paise;
  END IF;
  IF left_paise < 0 THEN
    RAISE EXCEPTION '% of order % would fall to % paise', NEW.account, NEW.order_id, left_paise
      USING ERRCODE = 'check_violation', CONSTRAINT = 'purse_not_negative';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER posting_purse AFTER INSERT ON orders_posting
  FOR EACH ROW
  WHEN (NEW.order_id IS NOT NULL AND NEW.account IN ('held', 'refunds-due', 'authorised', 'customer-receivable'))
  EXECUTE FUNCTION posting_purse();
"""
PURSES_BACK = """
DROP TRIGGER posting_purse ON orders_posting;
DROP FUNCTION posting_purse();
"""

REFUNDS = """
CREATE FUNCTION refund_may_move(before text, after text) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT AS $$
  SELECT before = after OR (before, after) IN (
    ('requested', 'approved'), ('requested', 'declined'), ('requested', 'withdrawn'),
    ('approved', 'sent'), ('approved', 'done'), ('approved', 'person'), ('approved', 'withdrawn'),
    ('sent', 'done'), ('sent', 'failed'), ('sent', 'person'),
    ('failed', 'sent'), ('failed', 'done'), ('failed', 'person'),
    ('person', 'approved'), ('person', 'done'))
$$;
CREATE FUNCTION refund_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' OR (NEW.id, NEW.order_id, NEW.number, NEW.cause, NEW.paise, NEW.currency, NEW.key, NEW.requested_at)
      IS DISTINCT FROM (OLD.id, OLD.order_id, OLD.number, OLD.cause, OLD.paise, OLD.currency, OLD.key, OLD.requested_at) THEN
    RAISE EXCEPTION 'refund % is kept for good: only its progress may change', OLD.key
      USING ERRCODE = 'check_violation', CONSTRAINT = 'refund_kept';
  END IF;
  IF NOT refund_may_move(OLD.state, NEW.state) THEN
    RAISE EXCEPTION 'refund % may not move from % to %', OLD.key, OLD.state, NEW.state
      USING ERRCODE = 'check_violation', CONSTRAINT = 'refund_moves';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER refund_guard BEFORE UPDATE OR DELETE ON orders_refund FOR EACH ROW EXECUTE FUNCTION refund_guard();
CREATE FUNCTION refund_within() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  asked numeric;
  paid numeric;
BEGIN
  PERFORM 1 FROM orders_order WHERE id = NEW.order_id FOR NO KEY UPDATE;
  SELECT coalesce(sum(paise), 0) INTO asked FROM orders_refund
    WHERE order_id = NEW.order_id AND currency = NEW.currency AND state NOT IN ('declined', 'withdrawn');
  SELECT coalesce(-sum(leg.paise), 0) INTO paid
    FROM orders_posting AS leg JOIN orders_journal AS whole ON whole.id = leg.journal_id
    WHERE leg.order_id = NEW.order_id AND leg.currency = NEW.currency AND leg.account = 'held'
      AND whole.kind IN ('charge', 'hold', 'release');
  IF asked > paid THEN
    RAISE EXCEPTION 'refunds of order % would be % paise, paid are %', NEW.order_id, asked, paid
      USING ERRCODE = 'check_violation', CONSTRAINT = 'refund_within_paid';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER refund_within AFTER INSERT ON orders_refund FOR EACH ROW EXECUTE FUNCTION refund_within();
"""
REFUNDS_BACK = """
DROP TRIGGER refund_within ON orders_refund;
DROP FUNCTION refund_within();
DROP TRIGGER refund_guard ON orders_refund;
DROP FUNCTION refund_guard();
DROP FUNCTION refund_may_move(text, text);
"""


class Migration(migrations.Migration):
    dependencies = [("orders", "0003_money")]

    operations = [
        migrations.RunSQL(KEPT, KEPT_BACK),
        migrations.RunSQL(BALANCED, BALANCED_BACK),
        migrations.RunSQL(PURSES, PURSES_BACK),
        migrations.RunSQL(REFUNDS, REFUNDS_BACK),
    ]
