from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("catalog", "0002_touch")]

    operations = [
        migrations.AddField(
            model_name="operator",
            name="gst_rates",
            field=models.JSONField(
                blank=True,
                default=list,
                help_text='Where it changes with time: [{"percent": "18", "sac": "998714", "from": "2026-04-01"}]; '
                "empty: the rate of each tariff.",
            ),
        ),
        migrations.AddField(
            model_name="tariff",
            name="min_price",
            field=models.JSONField(
                blank=True,
                help_text='The least a session costs: {"excl_vat": "50.00", "incl_vat": "59.00"}.',
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="tariff",
            name="max_price",
            field=models.JSONField(blank=True, help_text="The most a session costs, in the same form.", null=True),
        ),
    ]
