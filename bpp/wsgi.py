"""Where does a WSGI server find Django? The Beckn door needs ASGI: see `bpp.asgi`."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bpp.settings")
application = get_wsgi_application()
