"""Lets operators put their cancellation rules in order; those that stand keep the order they were written in."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("orders", "0016_news_bodies")]

    operations = [
        migrations.AddField(
            model_name="cancellationrule",
            name="place",
            field=models.PositiveSmallIntegerField(default=0, help_text="Rules are tried in this order."),
        ),
        migrations.AlterModelOptions(name="cancellationrule", options={"ordering": ["place", "pk"]}),
    ]
