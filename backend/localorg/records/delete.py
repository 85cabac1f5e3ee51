"""Delete, undelete: rows go to the recycle bin with what hangs on them, and come back with it.

Table `_bin` remembers what one deleted row took along: rows that cascaded (field null), and lookups that
were set to null (field named).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from localorg.records.effects import renew
from localorg.records.outcomes import Operation, RowError, SavedBatch, SaveResult
from localorg.records.session import Session, chunks
from localorg.schema import OnDelete, SObjectType
from localorg.store import is_id, quoted, to18

__all__ = ["ROLLED_BACK", "delete", "purge", "undelete"]

ROLLED_BACK = RowError(
    "ALL_OR_NONE_OPERATION_ROLLED_BACK",
    "Record rolled back because not all records were valid and the request was using AllOrNone header",
)
_DEEPEST = 10
Errors = dict[str, RowError]


def delete(session: Session, ids: Sequence[str], *, all_or_none: bool = False) -> list[SaveResult]:
    """Delete rows of whatever objects the ids name, with the rows whose lookups cascade."""
    return _each(session, ids, _delete_of, all_or_none=all_or_none)


def undelete(session: Session, ids: Sequence[str], *, all_or_none: bool = False) -> list[SaveResult]:
    """Take rows out of the recycle bin, with the rows that went into it with them."""
    return _each(session, ids, _undelete_of, all_or_none=all_or_none)


def purge(session: Session, ids: Sequence[str]) -> list[SaveResult]:
    """Remove rows for good, those in the recycle bin and those not yet deleted (which are deleted first)."""
    deleted = delete(session, ids)
    results = []
    for result in deleted:
        binned = any(error.status_code == "ENTITY_IS_DELETED" for error in result.errors)
        if result.success or binned:
            _wipe(session, str(result.id))
        results.append(SaveResult(result.id, True) if binned else result)
    return results


def _wipe(session: Session, root: str) -> None:
    taken = session.connection.execute(
        "SELECT object, id FROM _bin WHERE root = ? AND field IS NULL", (root,)
    ).fetchall()
    owner = session.schema.of_id(root)
    for name, row_id in [*taken, *([(owner.api_name, root)] if owner is not None else [])]:
        if session.schema.get(name) is not None:
            sql = f"DELETE FROM {quoted(name)} WHERE Id = ? AND IsDeleted = 1"  # noqa: S608 -- quoted() admits API names only
            session.connection.execute(sql, (row_id,))
    session.connection.execute("DELETE FROM _bin WHERE root = ?", (root,))


def _each(
    session: Session,
    ids: Sequence[str],
    act: Callable[[Session, SObjectType, list[str]], Errors],
    *,
    all_or_none: bool,
) -> list[SaveResult]:
    wanted = [to18(item) if is_id(item) else item for item in ids]
    errors: Errors = {}
    groups: dict[str, list[str]] = {}
    for item in wanted:
        owner = session.schema.of_id(item) if is_id(item) else None
        if owner is None:
            errors[item] = RowError("MALFORMED_ID", f"bad id {item}")
        else:
            groups.setdefault(owner.api_name, []).append(item)
    batches = len(session.batches)
    session.connection.execute("SAVEPOINT remove")
    try:
        for name, members in groups.items():
            errors |= act(session, session.schema.object(name), list(dict.fromkeys(members)))
    except BaseException:
        session.connection.execute("ROLLBACK TO remove")
        session.connection.execute("RELEASE remove")
        raise
    if all_or_none and errors:
        session.connection.execute("ROLLBACK TO remove")
        del session.batches[batches:]
        errors = {item: errors.get(item, ROLLED_BACK) for item in wanted}
    session.connection.execute("RELEASE remove")
    return [SaveResult(item, item not in errors, errors=(errors[item],) if item in errors else ()) for item in wanted]


def _delete_of(session: Session, sobject: SObjectType, ids: list[str]) -> Errors:
    errors: Errors = {}
    if not sobject.deletable and not session.platform_mode:
        refusal = RowError("INSUFFICIENT_ACCESS_OR_READONLY", f"entity type {sobject.api_name} does not support delete")
        return dict.fromkeys(ids, refusal)
    if session.user_mode and not session.rights.on(sobject).delete:
        return dict.fromkeys(
            ids, RowError("INSUFFICIENT_ACCESS_OR_READONLY", "insufficient access rights on object id")
        )
    there = session.rows(sobject, ids)
    allowed = session.visible(sobject, list(there), to_edit=True)
    for item in ids:
        if item not in there:
            errors[item] = _absent(session, sobject, item)
        elif allowed is not None and item not in allowed:
            errors[item] = RowError("INSUFFICIENT_ACCESS_OR_READONLY", "insufficient access rights on object id")
    good = [item for item in ids if item not in errors]
    errors |= {item: RowError("DELETE_FAILED", why) for item, why in _restricted(session, sobject, good).items()}
    good = [item for item in good if item not in errors]
    _remove(session, sobject, {item: item for item in good}, 0)
    if good:
        old = tuple(there[item] for item in good)
        renew(session, sobject, old)
        session.tell(SavedBatch(sobject, Operation.DELETE, tuple(good), (), old))
    return errors


def _absent(session: Session, sobject: SObjectType, item: str) -> RowError:
    if sobject.soft_deletes and session.rows(sobject, [item], deleted=True):
        return RowError("ENTITY_IS_DELETED", "entity is deleted")
    return RowError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")


# Children that go with their account only where this does not hold, with what the platform says then.
_KEPT = {
    "Opportunity": ("IsWon = 1", "some opportunities in that account were closed won"),
    "Contract": ("Status = 'Activated'", "it is associated with activated contracts"),
}


def _restricted(session: Session, sobject: SObjectType, ids: list[str]) -> dict[str, str]:
    """Rows that may not go, and why."""
    found: dict[str, str] = {}
    for relation in session.schema.children(sobject):
        child, name = relation.child, relation.field.api_name
        why = f"it is associated with the following {child.plural.lower()}"
        if relation.field.on_delete is OnDelete.RESTRICT:
            hanging = list(session.matching(child, name, ids))
        elif sobject.api_name == "Account" and relation.cascades and child.api_name in _KEPT:
            test, why = _KEPT[child.api_name]
            hanging = _those_where(session, child, test, list(session.matching(child, name, ids)))
        else:
            continue
        for parent in dict.fromkeys(value for value, _ in hanging):
            rows = ", ".join(row_id for value, row_id in hanging if value == parent)
            message = f"Your attempt to delete the record could not be completed because {why}: {rows}"
            found.setdefault(parent, message)
    return found


def _those_where(
    session: Session, child: SObjectType, test: str, hanging: list[tuple[str, str]]
) -> list[tuple[str, str]]:
    sql = f"SELECT Id FROM {quoted(child.api_name)} WHERE Id IN (SELECT value FROM json_each(?)) AND {test}"  # noqa: S608 -- tests are this module's own
    kept = {
        row[0]
        for part in chunks([row_id for _, row_id in hanging])
        for row in session.connection.execute(sql, (json.dumps(part),))
    }
    return [pair for pair in hanging if pair[1] in kept]


def _remove(session: Session, sobject: SObjectType, roots: dict[str, str], depth: int) -> None:
    """Bin these rows and what hangs on them. roots: by row id, the row whose deletion takes it along."""
    if not roots or depth > _DEEPEST:
        return
    for relation in session.schema.children(sobject):
        child, name = relation.child, relation.field.api_name
        if child.virtual or not relation.field.stored:
            continue
        hanging = list(session.matching(child, name, roots))
        if not hanging:
            continue
        if relation.cascades:
            _remove(session, child, {row_id: roots[parent] for parent, row_id in hanging}, depth + 1)
        else:
            _remember(session, [(roots[parent], child.api_name, row_id, name) for parent, row_id in hanging])
            _set(session, child, f"{quoted(name)} = NULL", [row_id for _, row_id in hanging])
    if not sobject.soft_deletes:
        sql = f"DELETE FROM {quoted(sobject.api_name)} WHERE Id IN (SELECT value FROM json_each(?))"  # noqa: S608 -- quoted() admits API names only
        for part in chunks(list(roots)):
            session.connection.execute(sql, (json.dumps(part),))
        return
    _remember(session, [(root, sobject.api_name, row_id, None) for row_id, root in roots.items() if row_id != root])
    stamp = f", SystemModstamp = '{session.now}'" if sobject.get("SystemModstamp") else ""
    _set(session, sobject, f"IsDeleted = 1{stamp}", list(roots))


def _remember(session: Session, rows: list[tuple[str, str, str, str | None]]) -> None:
    session.connection.executemany("INSERT INTO _bin VALUES (?, ?, ?, ?)", rows)


def _set(session: Session, sobject: SObjectType, assignment: str, ids: list[str]) -> None:
    sql = f"UPDATE {quoted(sobject.api_name)} SET {assignment} WHERE Id IN (SELECT value FROM json_each(?))"  # noqa: S608 -- assignments are this module's own
    for part in chunks(ids):
        session.connection.execute(sql, (json.dumps(part),))


def _undelete_of(session: Session, sobject: SObjectType, ids: list[str]) -> Errors:
    if not sobject.soft_deletes:
        return dict.fromkeys(ids, RowError("UNDELETE_FAILED", "entity cannot be undeleted"))
    binned = session.rows(sobject, ids, deleted=True)
    errors: Errors = {}
    for item in ids:
        if item not in binned:
            errors[item] = RowError("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
        elif not binned[item]["IsDeleted"]:
            errors[item] = RowError("UNDELETE_FAILED", "Entity is not in the recycle bin")
    good = [item for item in ids if item not in errors]
    _set(session, sobject, "IsDeleted = 0", good)
    for item in good:
        taken = session.connection.execute("SELECT object, id, field FROM _bin WHERE root = ?", (item,)).fetchall()
        for name, row_id, field in taken:
            child = session.schema.get(name)
            if child is None:
                continue
            if field is None:
                _set(session, child, "IsDeleted = 0", [row_id])
            elif child.get(field) is not None:
                session.connection.execute(
                    f"UPDATE {quoted(name)} SET {quoted(field)} = ? WHERE Id = ? AND {quoted(field)} IS NULL",  # noqa: S608 -- quoted() admits API names only
                    (item, row_id),
                )
        session.connection.execute("DELETE FROM _bin WHERE root = ?", (item,))
    if good:
        rows = session.rows(sobject, good)
        renew(session, sobject, list(rows.values()))
        session.tell(SavedBatch(sobject, Operation.UNDELETE, tuple(good), tuple(rows[item] for item in good)))
    return errors
