"""Let the database say when a row of the catalogue changed, and keep item ids what they promise to be."""

from django.db import migrations

TABLES = ("operator", "tariff", "station", "connector")

FUNCTIONS = """
CREATE FUNCTION catalog_touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := clock_timestamp();
    RETURN NEW;
END $$;

-- What is deleted cannot carry a time, so the row above it does.
CREATE FUNCTION catalog_touch_above() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_TABLE_NAME = 'catalog_connector' THEN
        UPDATE catalog_evse SET updated_at = clock_timestamp() WHERE id = OLD.evse_id;
    ELSIF TG_TABLE_NAME = 'catalog_evse' THEN
        UPDATE catalog_station SET updated_at = clock_timestamp() WHERE id = OLD.station_id;
    ELSE
        UPDATE catalog_operator SET updated_at = clock_timestamp() WHERE id = OLD.operator_id;
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION catalog_item_id() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE expected text;
BEGIN
    SELECT uid || '*' || NEW.number INTO expected FROM catalog_evse WHERE id = NEW.evse_id;
    IF NEW.item_id IS DISTINCT FROM expected THEN
        RAISE EXCEPTION 'item id % must be the EVSE id and the connector number: %', NEW.item_id, expected
            USING ERRCODE = 'check_violation', CONSTRAINT = 'connector_item_id';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION catalog_evse_uid() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM catalog_connector WHERE evse_id = NEW.id) THEN
        RAISE EXCEPTION 'EVSE id % cannot become %: its connectors are sold under it', OLD.uid, NEW.uid
            USING ERRCODE = 'check_violation', CONSTRAINT = 'evse_uid_fixed';
    END IF;
    RETURN NEW;
END $$;
"""

# A newer report of the same status moves status_at alone; that is no news for anybody and leaves updated_at.
TRIGGERS = """
CREATE TRIGGER evse_touch BEFORE INSERT OR UPDATE OF station_id, uid, slot_number, label, manufacturer, status, updated_at
    ON catalog_evse FOR EACH ROW EXECUTE FUNCTION catalog_touch();
CREATE TRIGGER evse_uid BEFORE UPDATE OF uid ON catalog_evse
    FOR EACH ROW WHEN (OLD.uid IS DISTINCT FROM NEW.uid) EXECUTE FUNCTION catalog_evse_uid();
CREATE TRIGGER connector_item_id BEFORE INSERT OR UPDATE OF evse_id, number, item_id ON catalog_connector
    FOR EACH ROW EXECUTE FUNCTION catalog_item_id();
CREATE TRIGGER connector_gone AFTER DELETE ON catalog_connector FOR EACH ROW EXECUTE FUNCTION catalog_touch_above();
CREATE TRIGGER evse_gone AFTER DELETE ON catalog_evse FOR EACH ROW EXECUTE FUNCTION catalog_touch_above();
CREATE TRIGGER station_gone AFTER DELETE ON catalog_station FOR EACH ROW EXECUTE FUNCTION catalog_touch_above();
""" + "".join(
    f"CREATE TRIGGER {table}_touch BEFORE INSERT OR UPDATE ON catalog_{table}"
    " FOR EACH ROW EXECUTE FUNCTION catalog_touch();\n"
    for table in TABLES
)

BACK = """
DROP FUNCTION catalog_touch() CASCADE;
DROP FUNCTION catalog_touch_above() CASCADE;
DROP FUNCTION catalog_item_id() CASCADE;
DROP FUNCTION catalog_evse_uid() CASCADE;
"""


class Migration(migrations.Migration):
    dependencies = [("catalog", "0001_initial")]

    operations = [migrations.RunSQL(FUNCTIONS + TRIGGERS, BACK)]
