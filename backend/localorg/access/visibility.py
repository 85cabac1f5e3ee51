"""Which rows a user sees: organisation-wide default, ownership, View All. There are no sharing rules here.

The answer is a condition in SQL over one table alias, so that a query reads no row that it must not show.
"""

from __future__ import annotations

from collections.abc import Callable

from localorg.access.context import Context
from localorg.access.rights import Rights
from localorg.schema import Schema, SharingModel, SObjectType
from localorg.store import quoted

__all__ = ["visible_rows"]

_OPEN = frozenset(
    {SharingModel.READ, SharingModel.READ_WRITE, SharingModel.READ_WRITE_TRANSFER, SharingModel.FULL_ACCESS}
)


def visible_rows(
    schema: Schema,
    sobject: SObjectType,
    alias: str,
    context: Context,
    rights: Rights,
    bind: Callable[[object], str],
    *,
    to_edit: bool = False,
) -> str | None:
    """A condition on the rows of `alias` that the user may see; None where all are.

    bind:    takes a value, returns the placeholder that stands for it in the SQL.
    to_edit: rows that the user may change, instead.
    """
    given = rights.on(sobject)
    if not context.sharing or sobject.setup or (given.modify_all if to_edit else given.view_all):
        return None
    if sobject.sharing is SharingModel.CONTROLLED_BY_PARENT and sobject.master_field:
        return _by_parent(schema, sobject, alias, context, rights, bind, to_edit=to_edit)
    if sobject.sharing in _OPEN and not (to_edit and sobject.sharing is SharingModel.READ):
        return None
    if not sobject.has_owner:
        return None
    own = _owned(alias, context, bind)
    if sobject.api_name not in ("Task", "Event"):
        return own
    if to_edit:
        return own
    # An activity is also seen by whoever sees the account it hangs on.
    account = f"{alias}a"
    seen = visible_rows(schema, schema.object("Account"), account, context, rights, bind)
    if seen is None:
        return f"({own} OR {alias}.AccountId IS NOT NULL)"
    return f"({own} OR EXISTS (SELECT 1 FROM Account {account} WHERE {account}.Id = {alias}.AccountId AND {seen}))"  # noqa: S608 -- aliases and placeholders only


def _owned(alias: str, context: Context, bind: Callable[[object], str]) -> str:
    user = bind(context.user_id)
    queues = f"SELECT GroupId FROM GroupMember WHERE UserOrGroupId = {user}"  # noqa: S608 -- a placeholder is put in
    return f"({alias}.OwnerId = {user} OR {alias}.OwnerId IN ({queues}))"


def _by_parent(
    schema: Schema,
    sobject: SObjectType,
    alias: str,
    context: Context,
    rights: Rights,
    bind: Callable[[object], str],
    *,
    to_edit: bool,
) -> str | None:
    field = sobject.get(sobject.master_field or "")
    parent = schema.get(field.reference_to[0]) if field and field.reference_to else None
    if field is None or parent is None:
        return None
    inner = f"{alias}p"
    seen = visible_rows(schema, parent, inner, context, rights, bind, to_edit=to_edit)
    if seen is None:
        return None
    column = f"{alias}.{quoted(field.api_name)}"
    sql = f"EXISTS (SELECT 1 FROM {quoted(parent.api_name)} {inner} WHERE {inner}.Id = {column} AND {seen})"  # noqa: S608 -- quoted() admits API names only
    if not sobject.has_owner:
        return sql
    return f"({sql} OR ({column} IS NULL AND {_owned(alias, context, bind)}))"
