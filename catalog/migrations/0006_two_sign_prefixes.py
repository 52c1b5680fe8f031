"""Gives every operator a prefix of two signs: with one, its credit notes bore the numbers of another's invoices."""

import django.core.validators
from django.db import migrations, models

FILL = """
UPDATE catalog_operator AS operator SET invoice_prefix = (
  SELECT operator.invoice_prefix || sign
  FROM unnest(string_to_array('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ', NULL)) AS sign
  WHERE NOT EXISTS (
    SELECT 1 FROM catalog_operator AS other
    WHERE other.gstin = operator.gstin AND other.gstin <> '' AND other.invoice_prefix = operator.invoice_prefix || sign
  )
  LIMIT 1
) WHERE length(invoice_prefix) = 1;
"""


class Migration(migrations.Migration):
    dependencies = [("catalog", "0005_tariff_versions")]

    operations = [
        # Backwards nothing is to be done: two signs were always allowed.
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
        migrations.AlterField(
            model_name="operator",
            name="invoice_prefix",
            field=models.CharField(
                default="VB",
                help_text="Begins every invoice number; another one for each operator of the same GSTIN.",
                max_length=2,
                validators=[
                    django.core.validators.RegexValidator("^[A-Z0-9]{2}$", "Use two capital letters or digits.")
                ],
            ),
        ),
        migrations.AddConstraint(
            model_name="operator",
            constraint=models.CheckConstraint(
                condition=models.Q(("invoice_prefix__regex", "^[A-Z0-9]{2}$")), name="operator_prefix_form"
            ),
        ),
    ]
