"""Where do e-mails go that no mail server takes? Into one file, EMAIL_FILE, as they would have gone out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.mail.backends.filebased import EmailBackend as FileBackend


class EmailBackend(FileBackend):
    """Django's backend for files, with one file for all instead of one for each connection."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**(options | {"file_path": str(Path(settings.EMAIL_FILE).parent)}))

    def _get_filename(self) -> str:
        return str(settings.EMAIL_FILE)
