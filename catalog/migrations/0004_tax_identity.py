"""Gives operators what a tax invoice must name; what was typed before is kept, and checked when it is next changed."""

import django.core.validators
import django.db.models.functions.text
from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models

FILL = """
UPDATE catalog_operator SET gstin = upper(btrim(gstin)) WHERE gstin <> upper(btrim(gstin));
UPDATE catalog_operator SET state_code = left(gstin, 2) WHERE gstin ~ '^[0-9]{2}[A-Z]{5}[0-9]{4}[A-Z][1-9A-Z]Z[0-9A-Z]$';
UPDATE catalog_operator AS operator SET invoice_prefix = 'V' || chr((64 + ranked.place)::int)
  FROM (SELECT id, row_number() OVER (PARTITION BY gstin ORDER BY id) - 1 AS place
        FROM catalog_operator WHERE gstin <> '') AS ranked
  WHERE ranked.id = operator.id AND ranked.place BETWEEN 1 AND 26;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("catalog", "0003_price_limits"),
    ]

    operations = [
        migrations.AddField(
            model_name="operator",
            name="address",
            field=models.CharField(
                blank=True,
                default="",
                help_text="As registered for GST.",
                max_length=400,
                verbose_name="registered address",
            ),
        ),
        migrations.AddField(
            model_name="operator",
            name="invoice_prefix",
            field=models.CharField(
                default="VB",
                help_text="Begins every invoice number; another one for each operator of the same GSTIN.",
                max_length=2,
                validators=[
                    django.core.validators.RegexValidator(
                        "^[A-Z0-9]{1,2}$", "Use one or two capital letters or digits."
                    )
                ],
            ),
        ),
        migrations.AddField(
            model_name="operator",
            name="legal_name",
            field=models.CharField(blank=True, default="", help_text="As registered for GST.", max_length=200),
        ),
        migrations.AddField(
            model_name="operator",
            name="sac",
            field=models.CharField(
                default="998714",
                help_text="Service accounting code of charging.",
                max_length=8,
                validators=[
                    django.core.validators.RegexValidator(
                        "^99[0-9]{4}$", "A service accounting code has six digits and begins with 99."
                    )
                ],
                verbose_name="SAC",
            ),
        ),
        migrations.AddField(
            model_name="operator",
            name="state_code",
            field=models.CharField(
                blank=True,
                choices=[
                    ("01", "Jammu and Kashmir"),
                    ("02", "Himachal Pradesh"),
                    ("03", "Punjab"),
                    ("04", "Chandigarh"),
                    ("05", "Uttarakhand"),
                    ("06", "Haryana"),
                    ("07", "Delhi"),
                    ("08", "Rajasthan"),
                    ("09", "Uttar Pradesh"),
                    ("10", "Bihar"),
                    ("11", "Sikkim"),
                    ("12", "Arunachal Pradesh"),
                    ("13", "Nagaland"),
                    ("14", "Manipur"),
                    ("15", "Mizoram"),
                    ("16", "Tripura"),
                    ("17", "Meghalaya"),
                    ("18", "Assam"),
                    ("19", "West Bengal"),
                    ("20", "Jharkhand"),
                    ("21", "Odisha"),
                    ("22", "Chhattisgarh"),
                    ("23", "Madhya Pradesh"),
                    ("24", "Gujarat"),
                    ("26", "Dadra and Nagar Haveli and Daman and Diu"),
                    ("27", "Maharashtra"),
                    ("29", "Karnataka"),
                    ("30", "Goa"),
                    ("31", "Lakshadweep"),
                    ("32", "Kerala"),
                    ("33", "Tamil Nadu"),
                    ("34", "Puducherry"),
                    ("35", "Andaman and Nicobar Islands"),
                    ("36", "Telangana"),
                    ("37", "Andhra Pradesh"),
                    ("38", "Ladakh"),
                    ("97", "Other Territory"),
                ],
                default="",
                max_length=2,
                verbose_name="state of registration",
            ),
        ),
        migrations.AlterField(
            model_name="operator",
            name="gstin",
            field=models.CharField(blank=True, default="", max_length=15, verbose_name="GSTIN"),
        ),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
        AddConstraintNotValid(
            model_name="operator",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("gstin", ""), ("gstin__regex", "^[0-9]{2}[A-Z]{5}[0-9]{4}[A-Z][1-9A-Z]Z[0-9A-Z]$"), _connector="OR"
                ),
                name="operator_gstin",
            ),
        ),
        AddConstraintNotValid(
            model_name="operator",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("gstin", ""), ("state_code", django.db.models.functions.text.Left("gstin", 2)), _connector="OR"
                ),
                name="operator_state_of_gstin",
            ),
        ),
        migrations.AddConstraint(
            model_name="operator",
            constraint=models.UniqueConstraint(
                condition=models.Q(("gstin", ""), _negated=True),
                fields=("gstin", "invoice_prefix"),
                name="operator_invoice_prefix",
                violation_error_message="Another operator of this GSTIN numbers its invoices with this prefix.",
            ),
        ),
    ]
