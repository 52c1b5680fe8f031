"""Compressing what was sent costs PostgreSQL more than writing it: bodies of callbacks are stored as they are.

Rows that stand keep their form until they are rewritten; both are read alike. An answer of 20 kB then takes 20 kB.
"""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("bpp", "0002_sign_in_attempts")]

    operations = [
        migrations.RunSQL(
            "ALTER TABLE bpp_outboxmessage ALTER COLUMN body SET STORAGE EXTERNAL",
            "ALTER TABLE bpp_outboxmessage ALTER COLUMN body SET STORAGE EXTENDED",
        ),
    ]
