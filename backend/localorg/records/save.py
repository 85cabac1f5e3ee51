"""Insert and update: rows in, an outcome for each, in the same order.

What is checked against rows already stored (lookups, unique fields, sharing) is asked for all rows at
once. Refused rows leave no trace. With all_or_none one refused row undoes the others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from localorg.errors import OrgError
from localorg.records.checks import check_lookups, check_unique
from localorg.records.delete import ROLLED_BACK
from localorg.records.derive import derived
from localorg.records.effects import after_save, before_save
from localorg.records.outcomes import Operation, RowsRefused, SavedBatch, SaveResult
from localorg.records.prepare import Row, prepare
from localorg.records.session import Session
from localorg.records.validation import check_validation
from localorg.records.values import Stored
from localorg.schema import Field, FieldType, ObjectKind, SObjectType
from localorg.store import quoted

__all__ = ["check_right", "insert", "results", "save_rows", "update"]


def insert(
    session: Session, sobject: SObjectType, rows: Sequence[Mapping[str, object]], *, all_or_none: bool = False
) -> list[SaveResult]:
    """Store new rows."""
    check_right(session, sobject, "create", sobject.createable)
    prepared = prepare(session, sobject, rows, insert=True)
    save_rows(session, sobject, prepared, all_or_none=all_or_none)
    return results(prepared)


def update(
    session: Session, sobject: SObjectType, rows: Sequence[Mapping[str, object]], *, all_or_none: bool = False
) -> list[SaveResult]:
    """Change rows; each names its Id and the fields that change."""
    check_right(session, sobject, "edit", sobject.updateable)
    prepared = prepare(session, sobject, rows, insert=False)
    save_rows(session, sobject, prepared, all_or_none=all_or_none)
    return results(prepared)


def results(rows: Sequence[Row]) -> list[SaveResult]:
    """The outcomes, in the order the rows came."""
    ordered = sorted(rows, key=lambda row: row.at)
    return [
        SaveResult(
            row.id if not (row.errors and row.created) else None,
            not row.errors,
            row.created and not row.errors,
            tuple(row.errors),
        )
        for row in ordered
    ]


def check_right(session: Session, sobject: SObjectType, right: str, possible: bool) -> None:
    """Refuse a write the object does not take, or the user may not make.

    right: create or edit. Raises OrgError.
    """
    if not possible and not session.platform_mode:
        message = f"entity type {sobject.api_name} does not support {'create' if right == 'create' else 'update'}"
        raise OrgError("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", message)
    if session.user_mode and not getattr(session.rights.on(sobject), right):
        admin = sobject.setup and "ModifyAllData" in session.rights.permissions
        if not admin:
            message = f"insufficient access rights on object: {sobject.api_name}"
            raise OrgError("INSUFFICIENT_ACCESS_OR_READONLY", message, status=403)


def save_rows(session: Session, sobject: SObjectType, rows: list[Row], *, all_or_none: bool) -> None:
    """Check and store the rows that are not refused; a hook's refusals are undone and the rest tried again."""
    connection = session.connection
    batches = len(session.batches)
    given = [(row, dict(row.values)) for row in rows]
    while True:
        connection.execute("SAVEPOINT save")
        del session.batches[batches:]
        try:
            _attempt(session, sobject, [row for row in rows if not row.errors])
        except RowsRefused as refused:
            connection.execute("ROLLBACK TO save")
            connection.execute("RELEASE save")
            by_id = {row.id: row for row in rows if row.id is not None}
            known = [(by_id[key], error) for key, error in refused.errors.items() if key in by_id]
            if not known:
                raise
            for row, error in known:
                row.errors.append(error)
            for row, values in given:
                row.values = dict(values)  # without what the first attempt worked out
            continue
        except BaseException:
            connection.execute("ROLLBACK TO save")
            connection.execute("RELEASE save")
            raise
        break
    if all_or_none and any(row.errors for row in rows):
        connection.execute("ROLLBACK TO save")
        del session.batches[batches:]
        for row in rows:
            if not row.errors:
                row.errors.append(ROLLED_BACK)
    connection.execute("RELEASE save")


def _attempt(session: Session, sobject: SObjectType, rows: list[Row]) -> None:
    new = [row for row in rows if row.id is None or row.created]
    old = [row for row in rows if row.id is not None and not row.created]
    if old:
        _change(session, sobject, old)
    if new:
        _add(session, sobject, new)


def _add(session: Session, sobject: SObjectType, rows: list[Row]) -> None:
    for row in rows:
        row.created = True
    _fill(session, sobject, rows)
    check_lookups(session, sobject, rows)
    check_unique(session, sobject, rows)
    before_save(session, sobject, rows, {})
    for row in rows:
        if not row.errors:
            changed = frozenset(row.values)
            row.values.update(derived(session, sobject, row.values, changed, insert=True))
    check_validation(session, sobject, rows, {})
    good = [row for row in rows if not row.errors]
    if not good:
        return
    _number(session, sobject, good)
    ids = session.store.next_ids(session.connection, sobject.key_prefix or "000", len(good))
    columns = [field for field in sobject if field.stored]
    names = [field.api_name for field in columns]
    named = sobject.name_field if sobject.kind is ObjectKind.CUSTOM else None
    for row, row_id in zip(good, ids, strict=True):
        row.id = row_id
        if named is not None and row.values.get(named.api_name) is None:
            row.values[named.api_name] = row_id[:15]  # a custom object's row without a name goes by its id
    sql = (
        f"INSERT INTO {quoted(sobject.api_name)} ({', '.join(quoted(name) for name in names)}) "  # noqa: S608 -- quoted() admits API names only
        f"VALUES ({', '.join('?' * len(names))})"
    )
    session.connection.executemany(sql, ([row.id, *map(row.values.get, names[1:])] for row in good))
    after_save(session, sobject, good, {})
    whole = tuple({**dict.fromkeys(names), **row.values, "Id": row.id} for row in good)
    session.tell(SavedBatch(sobject, Operation.INSERT, tuple(ids), whole))


def _fill(session: Session, sobject: SObjectType, rows: list[Row]) -> None:
    """Defaults, audit fields, and what is required and missing."""
    defaults = _defaults(session, sobject)
    booleans = [field.api_name for field in sobject if field.type is FieldType.BOOLEAN]
    required = [field.api_name for field in sobject if _needed(field)]
    for row in rows:
        given = row.values
        values = row.values = {**defaults, **given}
        for name in booleans:
            if values[name] is None:
                values[name] = 0
        if "CreatedDate" in given and "LastModifiedDate" not in given and "LastModifiedDate" in values:
            values["LastModifiedDate"] = given["CreatedDate"]  # made then, and not changed since
        missing = [name for name in required if values.get(name) is None]
        if missing and not row.errors:
            row.refuse("REQUIRED_FIELD_MISSING", f"Required fields are missing: [{', '.join(missing)}]", *missing)


def _needed(field: Field) -> bool:
    """No row is stored without a value here, from the caller or by default."""
    return (
        field.stored
        and field.createable
        and not field.nillable
        and field.auto_number is None
        and field.type is not FieldType.BOOLEAN
    )


def _defaults(session: Session, sobject: SObjectType) -> dict[str, Stored]:
    """What a new row has in the fields it does not name."""
    found: dict[str, Stored] = {}
    for field in sobject:
        if not field.stored:
            continue
        if field.default is not None:
            found[field.api_name] = int(field.default) if isinstance(field.default, bool) else field.default
        elif field.default_formula is not None and field.default_formula in _DEFAULTS:
            found[field.api_name] = _DEFAULTS[field.default_formula](session)
        elif field.api_name in _AUDIT_VALUES:
            found[field.api_name] = _AUDIT_VALUES[field.api_name](session)
        elif field.type is FieldType.BOOLEAN:
            found[field.api_name] = 0
        elif field.api_name == "RecordTypeId":
            found[field.api_name] = next((one.id for one in sobject.record_types if one.default), None)
    return found


_AUDIT_VALUES: Mapping[str, Callable[[Session], str]] = {
    "CreatedDate": lambda session: session.now,
    "CreatedById": lambda session: session.context.user_id,
    "LastModifiedDate": lambda session: session.now,
    "LastModifiedById": lambda session: session.context.user_id,
    "SystemModstamp": lambda session: session.now,
}
_DEFAULTS: Mapping[str, Callable[[Session], str]] = {
    "$User.Id": lambda session: session.context.user_id,
    "$Organization.Id": lambda session: session.organization_id,
    "TODAY()": lambda session: session.today,
    "NOW()": lambda session: session.now,
}


def _number(session: Session, sobject: SObjectType, rows: list[Row]) -> None:
    """Auto numbers, each from its own sequence."""
    for field in sobject:
        if field.auto_number is None:
            continue
        first = session.store.next_number(session.connection, f"{sobject.api_name}.{field.api_name}", len(rows))
        year, month, day = session.today.split("-")
        shape = field.auto_number
        for mark, value in (("{YYYY}", year), ("{YY}", year[2:]), ("{MM}", month), ("{DD}", day)):
            shape = shape.replace(mark, value)
        head, _, rest = shape.partition("{")
        digits, _, tail = rest.partition("}")
        for number, row in enumerate(rows, first):
            row.values[field.api_name] = f"{head}{str(number).zfill(len(digits))}{tail}"


def _change(session: Session, sobject: SObjectType, rows: list[Row]) -> None:
    there = session.rows(sobject, [row.id for row in rows if row.id])
    allowed = session.visible(sobject, list(there), to_edit=True)
    seen: set[str] = set()
    for row in rows:
        if row.id not in there:
            row.refuse(*_absent(session, sobject, row.id or ""))
        elif allowed is not None and row.id not in allowed:
            row.refuse("INSUFFICIENT_ACCESS_OR_READONLY", "insufficient access rights on object id")
        elif there[row.id].get("IsConverted") and not session.platform_mode:
            row.refuse("CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead")
        elif row.id in seen:
            row.refuse("DUPLICATE_VALUE", f"Duplicate id in list: {row.id}")
        else:
            seen.add(row.id)
            _still_required(sobject, row)
    check_lookups(session, sobject, rows)
    check_unique(session, sobject, rows)
    before_save(session, sobject, rows, there)
    for row in rows:
        if row.errors or row.id is None:
            continue
        whole = {**there[row.id], **row.values}
        changed = frozenset(name for name, value in row.values.items() if there[row.id].get(name) != value)
        # An unchanged stage keeps the probability someone set by hand.
        row.values.update(derived(session, sobject, whole, changed, insert=False))
    check_validation(session, sobject, rows, there)
    good = [row for row in rows if not row.errors]
    stamp = {name: _AUDIT_VALUES[name](session) for name in _MODIFIED if sobject.get(name)}
    groups: dict[tuple[str, ...], list[list[Any]]] = {}
    for row in good:
        row.values = {**stamp, **row.values} if session.platform_mode else {**row.values, **stamp}
        groups.setdefault(tuple(row.values), []).append([*row.values.values(), row.id])
    for names, parameters in groups.items():
        assignments = ", ".join(f"{quoted(name)} = ?" for name in names)
        session.connection.executemany(
            f"UPDATE {quoted(sobject.api_name)} SET {assignments} WHERE Id = ?",  # noqa: S608 -- quoted() admits API names only
            parameters,
        )
    after_save(session, sobject, good, there)
    if good:
        old = tuple(there[row.id] for row in good if row.id)
        new = tuple({**there[row.id], **row.values} for row in good if row.id)
        session.tell(SavedBatch(sobject, Operation.UPDATE, tuple(row.id for row in good if row.id), new, old))


_MODIFIED = ("LastModifiedDate", "LastModifiedById", "SystemModstamp")


def _still_required(sobject: SObjectType, row: Row) -> None:
    missing = [
        name
        for name, value in row.values.items()
        if value is None and (field := sobject.get(name)) is not None and not field.nillable
        and field.type is not FieldType.BOOLEAN
    ]  # fmt: skip
    if missing:
        row.refuse("REQUIRED_FIELD_MISSING", f"Required fields are missing: [{', '.join(missing)}]", *missing)
    for name, value in row.values.items():
        field = sobject.get(name)
        if value is None and field is not None and field.type is FieldType.BOOLEAN:
            row.values[name] = 0


def _absent(session: Session, sobject: SObjectType, row_id: str) -> tuple[str, str]:
    owner = session.schema.of_id(row_id)
    if owner is not None and owner.api_name != sobject.api_name:
        return "MALFORMED_ID", f"{sobject.label} ID: id value of incorrect type: {row_id}"
    if sobject.soft_deletes and session.rows(sobject, [row_id], deleted=True):
        return "ENTITY_IS_DELETED", "entity is deleted"
    return "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id"
