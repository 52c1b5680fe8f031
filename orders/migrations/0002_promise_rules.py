"""Holds the promises in the database too: totals are sums, states move by the table, events are never rewritten."""

from django.db import migrations

QUOTE_TOTAL = """
CREATE FUNCTION quote_lines_total(lines jsonb) RETURNS bigint LANGUAGE sql IMMUTABLE STRICT AS $$
  SELECT coalesce(sum((line ->> 'paise')::bigint), 0)::bigint FROM jsonb_array_elements(lines) AS line
$$;
ALTER TABLE orders_quote ADD CONSTRAINT quote_total_is_sum CHECK (total_paise = quote_lines_total(lines));
"""
QUOTE_TOTAL_BACK = """
ALTER TABLE orders_quote DROP CONSTRAINT quote_total_is_sum;
DROP FUNCTION quote_lines_total(jsonb);
"""

MOVES = """
CREATE FUNCTION order_state_may_move(before text, after text) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT AS $$
  SELECT before = after OR (before, after) IN (
    ('draft', 'initiated'), ('draft', 'expired'),
    ('initiated', 'draft'), ('initiated', 'active'), ('initiated', 'expired'),
    ('active', 'complete'), ('active', 'cancelled'),
    ('expired', 'draft'), ('expired', 'initiated'))
$$;
CREATE FUNCTION order_fulfillment_may_move(before text, after text) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT AS $$
  SELECT before = after OR (before, after) IN (
    ('none', 'order-initiated'),
    ('order-initiated', 'none'), ('order-initiated', 'payment-completed'),
    ('payment-completed', 'charging-starting'), ('payment-completed', 'charging-started'),
    ('payment-completed', 'charger-error'), ('payment-completed', 'order-cancelled'),
    ('charging-starting', 'charging-started'), ('charging-starting', 'charging-ending'),
    ('charging-starting', 'charging-ended'), ('charging-starting', 'charger-error'),
    ('charging-started', 'charging-paused'), ('charging-started', 'charging-ending'),
    ('charging-started', 'charging-ended'), ('charging-started', 'charger-error'),
    ('charging-paused', 'charging-resumed'), ('charging-paused', 'charging-ending'),
    ('charging-paused', 'charging-ended'), ('charging-paused', 'charger-error'),
    ('charging-resumed', 'charging-paused'), ('charging-resumed', 'charging-ending'),
    ('charging-resumed', 'charging-ended'), ('charging-resumed', 'charger-error'),
    ('charging-ending', 'charging-ended'), ('charging-ending', 'charger-error'))
$$;
CREATE FUNCTION order_fulfillment_fits(state text, fulfillment text) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT AS $$
  SELECT (state, fulfillment) IN (
    ('draft', 'none'), ('initiated', 'order-initiated'), ('expired', 'none'),
    ('active', 'payment-completed'), ('active', 'charging-starting'), ('active', 'charging-started'),
    ('active', 'charging-paused'), ('active', 'charging-resumed'), ('active', 'charging-ending'),
    ('complete', 'charging-ended'), ('complete', 'charger-error'),
    ('cancelled', 'order-cancelled'), ('cancelled', 'charger-error'))
$$;
CREATE FUNCTION order_guard_moves() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT order_state_may_move(OLD.state, NEW.state) THEN
    RAISE EXCEPTION 'order % may not move from % to %', OLD.id, OLD.state, NEW.state
      USING ERRCODE = 'check_violation', CONSTRAINT = 'order_state_moves';
  END IF;
  IF NOT order_fulfillment_may_move(OLD.fulfillment, NEW.fulfillment) THEN
    RAISE EXCEPTION 'fulfilment of order % may not move from % to %', OLD.id, OLD.fulfillment, NEW.fulfillment
      USING ERRCODE = 'check_violation', CONSTRAINT = 'order_fulfillment_moves';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER order_moves BEFORE UPDATE OF state, fulfillment ON orders_order
  FOR EACH ROW EXECUTE FUNCTION order_guard_moves();
ALTER TABLE orders_order ADD CONSTRAINT order_fulfillment_fits CHECK (order_fulfillment_fits(state, fulfillment));
"""
MOVES_BACK = """
ALTER TABLE orders_order DROP CONSTRAINT order_fulfillment_fits;
DROP TRIGGER order_moves ON orders_order;
DROP FUNCTION order_guard_moves();
DROP FUNCTION order_fulfillment_fits(text, text);
DROP FUNCTION order_fulfillment_may_move(text, text);
DROP FUNCTION order_state_may_move(text, text);
"""

EVENTS = """
CREATE FUNCTION orderevent_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' AND to_jsonb(NEW) - 'published_at' = to_jsonb(OLD) - 'published_at' THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'event % of order % is history: only published_at may change', OLD.number, OLD.order_id
    USING ERRCODE = 'check_violation', CONSTRAINT = 'event_append_only';
END $$;
CREATE TRIGGER orderevent_append_only BEFORE UPDATE OR DELETE ON orders_orderevent
  FOR EACH ROW EXECUTE FUNCTION orderevent_guard();
"""
EVENTS_BACK = """
DROP TRIGGER orderevent_append_only ON orders_orderevent;
DROP FUNCTION orderevent_guard();
"""


class Migration(migrations.Migration):
    dependencies = [("orders", "0001_initial")]

    operations = [
        migrations.RunSQL(QUOTE_TOTAL, QUOTE_TOTAL_BACK),
        migrations.RunSQL(MOVES, MOVES_BACK),
        migrations.RunSQL(EVENTS, EVENTS_BACK),
    ]
