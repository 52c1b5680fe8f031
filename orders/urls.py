"""Which addresses serve the contract behind an order?"""

from django.urls import path

from orders.views import paying, terms

urlpatterns = [
    path("terms/<str:token>", terms.terms_form, name="terms-form"),
    path("pay/<str:token>", paying.pay, name="pay"),
    path("payments/<str:provider>/webhook", paying.webhook, name="payment-webhook"),
]
