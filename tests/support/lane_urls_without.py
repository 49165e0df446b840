"""A site without the app's paths."""

from typing import Any

urlpatterns: list[Any] = []
