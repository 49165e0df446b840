#!/usr/bin/env python
import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    if sys.argv[1:2] == ["demo"]:
        from project import demo_secret

        os.environ.setdefault("SECRET_KEY", demo_secret.kept())
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
