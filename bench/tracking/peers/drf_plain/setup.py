"""Make the tables and a key, which is the last line that it prints."""

import os

import django
from django.core.management import call_command


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bench.tracking.peers.drf_plain.settings")
    django.setup()
    # Only now are there models to import.
    from rest_framework_api_key.models import APIKey

    call_command("migrate", run_syncdb=True, verbosity=0)
    _, key = APIKey.objects.create_key(name="bench")
    print(key)


if __name__ == "__main__":
    main()
