"""How sessions are deleted: with an end that stays, so that no token becomes valid again."""

import collections
import uuid
from collections.abc import Iterator
from typing import TypeVar

from django.db import models, router, transaction

from ..core.uuid7 import first_id
from ..database import keyset
from ..database.errors import translating_errors, tried_again
from .ended import EndedSession, Reason, valid_from

M = TypeVar("M", bound=models.Model)

_BATCH = 1000

Deleted = tuple[int, dict[str, int]]
"""What Django's `delete` returns: the number of rows, all together and by model."""


class DeletingQuerySet(models.QuerySet[M]):
    """Deletes sessions with or without their ends. Its rows have the key `session_id`."""

    def delete(self) -> Deleted:
        """Delete the sessions in one transaction. Ends stay for tokens that may still be valid."""
        self._for_write = True
        rows = self.using(self.db).order_by("session_id").values_list("session_id", flat=True)
        total, by_model = 0, collections.Counter[str]()
        with transaction.atomic(self.db):
            for ids in keyset.batches(rows, "session_id", _BATCH):
                count, deleted = self._delete(ids, self.db)
                total += count
                by_model.update(deleted)
        return total, dict(by_model)

    # As Django's own: not callable on a manager, nor in a template.
    delete.alters_data = True  # type: ignore[attr-defined]
    delete.queryset_only = True  # type: ignore[attr-defined]

    def drop(self) -> Deleted:
        """Delete the rows and nothing else. Only for tokens that are no longer valid."""
        return super().delete()

    drop.alters_data = True  # type: ignore[attr-defined]
    drop.queryset_only = True  # type: ignore[attr-defined]

    def delete_in_batches(self, size: int, *, newest_first: bool = False) -> Iterator[int]:
        """As `delete`, with a transaction for each `size` rows. Yields the number deleted per batch.

        The rows must be ordered by their ids; set `newest_first` for the descending order. Raises
        StoreUnavailable.
        """
        alias = router.db_for_write(self.model)
        with translating_errors():
            for ids in self._ids_in_batches(size, newest_first=newest_first):
                count, _ = self._delete_at_once(ids, alias)
                yield count

    def drop_in_batches(self, size: int) -> Iterator[int]:
        """As `drop`, with a transaction for each `size` rows. The rest is as in `delete_in_batches`."""
        alias = router.db_for_write(self.model)
        with translating_errors():
            for ids in self._ids_in_batches(size):
                count, _ = tried_again(self._by_ids(ids, alias).drop)()
                yield count

    def _ids_in_batches(self, size: int, *, newest_first: bool = False) -> Iterator[list[uuid.UUID]]:
        rows = self.using(router.db_for_write(self.model)).values_list("session_id", flat=True)
        # Each query goes on after the last row: from the start, PostgreSQL would walk over deleted rows.
        return keyset.batches(rows, "session_id", size, descending=newest_first)

    @tried_again
    def _delete_at_once(self, ids: list[uuid.UUID], alias: str) -> Deleted:
        with transaction.atomic(alias):
            return self._delete(ids, alias)

    def _delete(self, ids: list[uuid.UUID], alias: str) -> Deleted:
        # By their ids: a session that is stored meanwhile would be deleted without an end.
        end_deleted(ids, alias)
        return self._by_ids(ids, alias).drop()

    def _by_ids(self, ids: list[uuid.UUID], alias: str) -> "DeletingQuerySet[M]":
        rows: DeletingQuerySet[M] = self.model._default_manager.using(alias).filter(pk__in=ids)  # type: ignore[assignment]
        return rows


def end_deleted(ids: list[uuid.UUID], alias: str) -> None:
    """End sessions that are deleted in the same transaction, and drop ends that nobody needs any more."""
    ends, oldest = EndedSession.objects.using(alias), valid_from(alias)
    valid = ids if oldest is None else [pk for pk in ids if pk >= first_id(oldest)]
    ends.store_deleted(valid)
    if oldest is not None:
        ends.filter(pk__in=set(ids).difference(valid)).delete()
        ends.filter(reason=Reason.DELETED).started_before(oldest).delete()
