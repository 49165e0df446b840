import uuid

from django.db import models
from django.utils import timezone


class Session(models.Model):
    session_id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    playout_id = models.CharField(max_length=255)
    provider_name = models.CharField(max_length=255)
    user_id = models.CharField(max_length=255, null=True, blank=True)
    source = models.CharField(max_length=64)
    started_at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "tracking_session"
