"""Make the site's tables and a key, which is the last line that it prints."""

import os

import django
from django.core.management import call_command


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    django.setup()
    call_command("migrate", verbosity=0)
    call_command("jay_create_api_key", "bench")


if __name__ == "__main__":
    main()
