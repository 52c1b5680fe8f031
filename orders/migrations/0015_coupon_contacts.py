"""Hashes the contacts that coupons were counted by under the secret key: a plain hash of a phone number is no secret."""

from django.db import migrations
from django.utils.crypto import salted_hmac


def hash_again(apps, schema_editor):
    uses = apps.get_model("orders", "CouponUse").objects.filter(customer__startswith="contact:")
    # No use is added; one that a lower limit has since overtaken stays what it is.
    schema_editor.execute("ALTER TABLE orders_couponuse DISABLE TRIGGER coupon_limits")
    for use in uses.select_related("order").iterator():
        details = (use.order.customer, use.order.billing)
        contact = next((found for one in details if (found := one.get("phone") or one.get("email"))), "")
        use.customer = f"contact:{salted_hmac('orders.coupon', str(contact), algorithm='sha256').hexdigest()}"
        use.save(update_fields=["customer"])
    schema_editor.execute("ALTER TABLE orders_couponuse ENABLE TRIGGER coupon_limits")


class Migration(migrations.Migration):
    dependencies = [("orders", "0014_overlay_advertised")]

    # Backwards the rows stay: an older version only counts such customers anew.
    operations = [migrations.RunPython(hash_again, migrations.RunPython.noop)]
