"""Who asks, what they may do, and which rows they see."""

from localorg.access.context import Context, Mode
from localorg.access.rights import FieldRights, ObjectRights, Rights, load_rights
from localorg.access.visibility import visible_rows

__all__ = ["Context", "FieldRights", "Mode", "ObjectRights", "Rights", "load_rights", "visible_rows"]
