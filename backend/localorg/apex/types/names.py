"""What a written type means where it stands: the classes of the program, the org's objects, the platform's own types.

Order as on the platform: inner types of the class and of those around and above it, top-level classes, SObjects,
platform types (with or without `System.` and `Schema.`).
"""

from __future__ import annotations

from collections.abc import Mapping

from localorg.apex.faults import CompileError
from localorg.apex.syntax.nodes import TypeRef
from localorg.apex.types.classes import ClassInfo
from localorg.apex.types.model import AGGREGATE, ANY_RECORD, VOID, Class, Platform, Record, Type
from localorg.apex.types.platform import PLATFORM_TYPES
from localorg.schema import Schema, SObjectType

__all__ = ["UNSUPPORTED_NAMESPACES", "Names"]

# Real parts of the platform that this subset leaves out: named as such instead of being called unknown.
UNSUPPORTED_NAMESPACES = frozenset(
    {
        "approval", "apexpages", "auth", "cache", "canvas", "chatteranswers", "compression", "commerce", "connectapi",
        "dataweave", "datacloud", "datasource", "dom", "eventbus", "externalservice", "flow", "functions",
        "invocable", "isvpartners", "kbmanagement", "lxscheduler", "messaging", "metadata", "package", "pref_center",
        "process", "quickaction", "reports", "richmessaging", "search", "sfc", "sfdc_checkout", "site", "slack",
        "support", "territorymgmt", "trigger", "txnsecurity", "userprovisioning", "visualeditor", "wave",
        "formulaeval", "page", "component",
    }
)  # fmt: skip


_UNSUPPORTED_TYPES = frozenset(
    {
        "stubprovider", "finalizer", "finalizercontext", "jsonparser", "jsontoken", "xmlstreamreader",
        "xmlstreamwriter", "continuation", "pagereference", "cookie", "selectoption", "webservicemock",
        "dataweavescriptexception", "callable.args", "domain", "domaincreator", "resetpasswordresult", "asyncoptions",
        "queueableduplicatesignature", "emailmessages", "orglimit", "orglimits", "searchresults", "database.cursor",
        "database.mergeresult",
    }
)  # fmt: skip


class Names:
    """Looks types up for one program over one org's schema. classes: top-level, by lowered name."""

    def __init__(self, classes: Mapping[str, ClassInfo], schema: Schema, namespace: str | None) -> None:
        self.classes = classes
        self.schema = schema
        self.namespace = namespace

    def resolve(self, ref: TypeRef, scope: ClassInfo | None) -> Type:
        """The type, with its arguments. Raises CompileError, Invalid type."""
        if scope is None:
            return self._resolve(ref, None)
        found = scope.resolved.get(ref)
        if found is None:
            found = scope.resolved[ref] = self._resolve(ref, scope)
        return found

    def find(self, name: str, scope: ClassInfo | None) -> Type | None:
        """A type by dotted name; generic ones come without arguments."""
        parts = name.lower().split(".")
        declared = self._declared(parts, scope)
        if declared is not None:
            return Class(declared)
        record = self.record(name)
        if record is not None:
            return record
        plain = name.lower().removeprefix("system.")
        for candidate in (plain, f"schema.{plain}"):
            if candidate in PLATFORM_TYPES:
                return Platform(PLATFORM_TYPES[candidate].name)
        return VOID if plain == "void" else None

    def written(self, text: str) -> Type | None:
        """A type from text, as `Map<String, List<Account>>`; None where there is no such type."""
        text = "".join(text.split())
        name, _, inside = text.partition("<")
        found = self.find(name, None)
        if not inside or not isinstance(found, Platform):
            return found if not inside else None
        parts = _split(inside[:-1])
        arguments = [self.written(part) for part in parts]
        return Platform(found.name, tuple(each for each in arguments if each is not None)) if all(arguments) else None

    def record(self, name: str) -> Record | None:
        """An SObject type by name, with or without `Schema.`."""
        plain = name.lower().removeprefix("schema.").removeprefix("system.")
        if plain == "sobject":
            return ANY_RECORD
        if plain == "aggregateresult":
            return AGGREGATE
        if "." in plain:
            return None
        found = self.schema.get(plain, within=self.namespace)
        return None if found is None else Record(found.api_name)

    def object(self, record: Record) -> SObjectType | None:
        """The schema's object of a record type; None for SObject and AggregateResult."""
        return self.schema.get(record.name, within=self.namespace) if record.name else None

    def _resolve(self, ref: TypeRef, scope: ClassInfo | None) -> Type:
        base = self.find(ref.name, scope)
        if base is None:
            first = ref.name.lower().split(".")[0]
            if (
                first in UNSUPPORTED_NAMESPACES
                or ref.name.lower().removeprefix("system.") in _UNSUPPORTED_TYPES
                or first.endswith("__e")
            ):
                where = "" if scope is None else f" ({scope.top.name}, line {ref.at.line})"
                raise CompileError(f"Not supported by the local org: {ref.name}{where}", ref.at)
            raise CompileError(f"Invalid type: {ref.name}", ref.at)
        if not isinstance(base, Platform):
            if ref.arguments:
                raise CompileError(f"Invalid type: {ref.name}", ref.at)
            return base
        wanted = len(PLATFORM_TYPES[base.name.lower()].parameters) if base != VOID else 0
        if len(ref.arguments) != wanted:
            raise CompileError(f"Invalid type: {ref.name}", ref.at)
        return Platform(base.name, tuple(self.resolve(each, scope) for each in ref.arguments))

    def _declared(self, parts: list[str], scope: ClassInfo | None) -> ClassInfo | None:
        around = scope
        while around is not None:
            for info in around.ancestors():
                found = _descend(info.inner.get(parts[0]), parts[1:])
                if found is not None:
                    return found
            if around.key.rsplit(".", 1)[-1] == parts[0]:
                found = _descend(around, parts[1:])
                if found is not None:
                    return found
            around = around.outer
        top = self.classes.get(parts[0])
        if top is None and self.namespace is not None and parts[0] == self.namespace.lower() and len(parts) > 1:
            return _descend(self.classes.get(parts[1]), parts[2:])
        return _descend(top, parts[1:])


def _descend(info: ClassInfo | None, parts: list[str]) -> ClassInfo | None:
    for part in parts:
        if info is None:
            return None
        info = info.inner.get(part)
    return info


def _split(text: str) -> list[str]:
    """Split at the commas of the outermost level."""
    parts, depth = [""], 0
    for character in text:
        depth += (character == "<") - (character == ">")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts
