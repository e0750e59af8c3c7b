"""MongoDB store: what comes in. Writes notifications, batches and the users named inline; reads batches.

The idempotency key stands in the document it belongs to, behind a unique index: the document and the claim on its key
are one write, so of several rivals exactly one is stored.
"""

from __future__ import annotations

from collections.abc import Sequence

from pymongo import UpdateOne

from heliograph.backends.mongo.connection import Connected, insert_new, reaching
from heliograph.backends.mongo.documents import (
    LEVELS,
    batch_id_of,
    batch_of,
    due_batch_of,
    id_of,
    notification_document,
    submission_document,
    user_fields,
)
from heliograph.core.model import PART, Batch, Key, Millis, Notification
from heliograph.core.ports import Accepted, DueBatch, Mismatch, Reached, Submission


class Sending(Connected):
    """See `core.ports.NotificationStore`."""

    @reaching
    async def accept(self, submissions: Sequence[Submission]) -> Sequence[Accepted | Mismatch]:
        """Users first: a notification that is stored finds them, and one that isn't has done no harm with them."""
        answers: list[Accepted | Mismatch] = [Accepted(s.id) for s in submissions]
        with_users = [i for i, submission in enumerate(submissions) if submission.users]
        await self._answer_known(submissions, with_users, answers)
        await self._put_users([submissions[i] for i in with_users if _is_new(answers[i])])
        new = [i for i, answer in enumerate(answers) if _is_new(answer)]
        refused = await insert_new(self._database.sends, [submission_document(submissions[i]) for i in new])
        await self._answer_known(submissions, [new[position] for position in refused], answers)
        return answers

    async def _answer_known(
        self, submissions: Sequence[Submission], which: Sequence[int], answers: list[Accepted | Mismatch]
    ) -> None:
        """Sets the answers of those of `which` whose idempotency keys belong to somebody else.

        A document that was refused for its key waited for the majority as a stored one does, so what is found here is
        durable.
        """
        keyed = [(i, submissions[i].id, Key(submissions[i].tenant, idem.key), idem.fingerprint)
                 for i in which if (idem := submissions[i].idempotency)]  # fmt: skip
        if not keyed:
            return
        owners = {
            Key(owner["tenant"], owner["key"]): owner
            async for owner in self._database.sends.find(
                {
                    "tenant": {"$in": list({key.tenant for _, _, key, _ in keyed})},
                    "key": {"$in": [key.id for _, _, key, _ in keyed]},
                },
                {"tenant": 1, "key": 1, "fingerprint": 1, "id": 1},
            )
        }
        for i, own_id, key, fingerprint in keyed:
            owner = owners.get(key)
            if owner is None or (owner["id"] == own_id and owner["fingerprint"] == fingerprint):
                continue
            same = owner["fingerprint"] == fingerprint
            answers[i] = Accepted(owner["id"], replayed=True) if same else Mismatch()

    async def _put_users(self, submissions: Sequence[Submission]) -> None:
        changes = [
            UpdateOne(
                {"_id": id_of(user.key)},
                {"$set": user_fields(user), "$max": {"updated_at": user.updated_at}},
                upsert=True,
            )
            for submission in submissions
            for user in submission.users
        ]
        if changes:
            await self._database.users.bulk_write(changes)

    @reaching
    async def expand(self, notifications: Sequence[Notification], check_at: Millis, reached: Reached) -> None:
        """The members first: what is repeated after a death in between writes them once."""
        members = [notification_document(notification, check_at) for notification in notifications]
        await insert_new(self._database.sends, members)
        place = {
            "level": reached.level.value, "cursor": reached.cursor, "moved_at": reached.at, "check_at": check_at,
            "expanded": reached.done,
        }  # fmt: skip
        await self._database.sends.update_one({"_id": batch_id_of(reached.key)}, {"$set": place})

    @reaching
    async def batch(self, key: Key, start: int = 0, limit: int | None = None) -> Batch | None:
        part = start // PART
        parts = {} if limit is None else {"parts": {"$slice": [part, (start + limit - 1) // PART - part + 1]}}
        found = await self._database.sends.find_one({"_id": batch_id_of(key)}, {"content": 1, "parts": 1, **parts})
        return batch_of(found, part) if found else None

    @reaching
    async def batches_due(self, now: Millis, limit: int) -> Sequence[DueBatch]:
        found = self._database.sends.find(
            {"level": {"$in": LEVELS}, "expanded": False, "check_at": {"$lte": now}},
            {"tenant": 1, "id": 1, "level": 1, "cursor": 1, "moved_at": 1},
            sort=[("level", 1), ("created_at", 1), ("id", 1)],
            limit=limit,
        )
        return [due_batch_of(document) async for document in found]

    @reaching
    async def batch_postpone(self, keys: Sequence[Key], check_at: Millis) -> None:
        ids = [batch_id_of(key) for key in keys]
        await self._database.sends.update_many({"_id": {"$in": ids}}, {"$set": {"check_at": check_at}})


def _is_new(answer: Accepted | Mismatch) -> bool:
    return isinstance(answer, Accepted) and not answer.replayed
