"""Lets journals and refunds say which provider and payment their money came by."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("orders", "0004_money_guards"),
    ]

    operations = [
        migrations.AddField(
            model_name="journal",
            name="provider",
            field=models.CharField(blank=True, default="", help_text="The payment provider's name.", max_length=30),
        ),
        migrations.AddField(
            model_name="refund",
            name="payment_ref",
            field=models.CharField(blank=True, default="", help_text="The payment that is given back.", max_length=255),
        ),
        migrations.AddField(
            model_name="refund",
            name="provider",
            field=models.CharField(blank=True, default="", help_text="The payment provider's name.", max_length=30),
        ),
        migrations.AlterField(
            model_name="journal",
            name="reference",
            field=models.CharField(blank=True, default="", help_text="The id it has there.", max_length=255),
        ),
    ]
