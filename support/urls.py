"""Which addresses serve customers who have something to say?"""

from django.urls import path

from support import views

urlpatterns = [path("feedback/<str:token>", views.feedback, name="feedback")]
