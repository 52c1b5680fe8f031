"""Which addresses serve the contract behind an order?"""

from django.urls import path

from orders.views import terms

urlpatterns = [path("terms/<str:token>", terms.terms_form, name="terms-form")]
