"""Lets the bodies of webhooks be emptied once they are dealt with: they name payers."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("orders", "0015_coupon_contacts")]

    operations = [
        migrations.AlterField(
            model_name="paymentnews",
            name="raw",
            field=models.BinaryField(
                help_text="The body; emptied some days after, since it names the payer.", null=True
            ),
        ),
        migrations.AddIndex(
            model_name="paymentnews",
            index=models.Index(
                condition=models.Q(("raw__isnull", False)), fields=["done_at"], name="payment_news_full"
            ),
        ),
    ]
