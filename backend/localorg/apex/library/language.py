"""Object, Enum, Type, exceptions and the interfaces of the language itself.

Apex Reference Guide, System namespace: Enum Methods, Type Class, Exception Class and Built-In Exceptions.
"""

from __future__ import annotations

from typing import Any

from localorg.apex.types.model import Class, Platform, Record, Type
from localorg.apex.types.platform import PLATFORM_TYPES, platform_type
from localorg.apex.values.collections import ApexList
from localorg.apex.values.exceptions import PLATFORM_EXCEPTIONS, ApexException, apex_error
from localorg.apex.values.objects import ApexEnum, UserException
from localorg.apex.values.text import to_text

__all__ = ["TypeValue", "make", "type_value"]

OBJECT = platform_type("Object")
platform_type("null")
ENUM = platform_type("Enum")
EXCEPTION = platform_type("Exception")
for _name in PLATFORM_EXCEPTIONS:
    if _name != "Exception":
        platform_type(_name, parent="Exception").constructors = EXCEPTION.constructors
TYPE = platform_type("Type")

platform_type("Iterator", parameters=("T",), interface=True).demands("Boolean hasNext()", "T next()")
platform_type("Iterable", parameters=("T",), interface=True).demands("Iterator<T> iterator()")
platform_type("Comparable", interface=True).demands("Integer compareTo(Object)")
platform_type("Comparator", parameters=("T",), interface=True).demands("Integer compare(T, T)")
platform_type("Callable", interface=True).demands("Object call(String, Map<String,Object>)")


# ---- Object and Enum ------------------------------------------------------------------------------------------------


@OBJECT.method("Boolean equals(Object)")
def _equals(value: Any, other: Any) -> bool:
    return other is not None and bool(value == other)


@OBJECT.method("Integer hashCode()")
def _hash_code(value: Any) -> int:
    return ((hash(value) + 0x80000000) & 0xFFFFFFFF) - 0x80000000


@OBJECT.method("String toString()")
def _to_string(value: Any) -> str:
    return to_text(value)


@ENUM.method("String name()")
def _enum_name(value: ApexEnum) -> str:
    return value.name


@ENUM.method("Integer ordinal()")
def _enum_ordinal(value: ApexEnum) -> int:
    return value.ordinal


# ---- exceptions -----------------------------------------------------------------------------------------------------


def _construct(_: ApexException) -> None:
    """Generated code makes exceptions itself; see exception_init."""


for _shape in ("()", "(String)", "(Exception)", "(String, Exception)"):
    EXCEPTION.constructor(_shape)(_construct)


def _own(error: ApexException, name: str) -> Any:
    """A method the program's own exception class overrides."""
    if isinstance(error, UserException):
        method = error.info.method_of_arity(name, 0)
        if method is not None:
            return getattr(error, method.python)
    return None


@EXCEPTION.method("String getMessage()")
def _message(error: ApexException) -> str | None:
    own = _own(error, "getmessage")
    if own is not None:
        return own()  # type: ignore[no-any-return]  # declared String
    if error.type_name == "System.AuraHandledException" and not error.x_told:
        return "Script-thrown exception"  # its constructor's message is for the component alone
    return error.x_message if error.x_message is not None else "Script-thrown exception"


@EXCEPTION.method("Exception getCause()")
def _cause(error: ApexException) -> ApexException | None:
    return error.x_cause


@EXCEPTION.method("void initCause(Exception)")
def _init_cause(error: ApexException, cause: ApexException) -> None:
    if error.x_cause is not None:
        raise apex_error("TypeException", "Cannot overwrite cause")
    error.x_cause = cause


@EXCEPTION.method("void setMessage(String)")
def _set_message(error: ApexException, message: str | None) -> None:
    error.x_message = message
    error.x_told = True


@EXCEPTION.method("String getTypeName()")
def _type_name(error: ApexException) -> str:
    return error.type_name


@EXCEPTION.method("Integer getLineNumber()")
def _line_number(error: ApexException) -> int:
    return error.x_frames[0][1] if error.x_frames else 0


@EXCEPTION.method("String getStackTraceString()")
def _stack_trace(error: ApexException) -> str:
    return "\n".join(f"{where}: line {line}, column 1" for where, line in error.x_frames or ())


_ROWS = PLATFORM_TYPES["dmlexception"]


@_ROWS.method("Integer getNumDml()")
def _dml_count(error: ApexException) -> int:
    return len(error.x_rows)


def _row(error: ApexException, index: int) -> Any:
    if not 0 <= index < len(error.x_rows):
        raise apex_error("ListException", f"List index out of bounds: {index}")
    return error.x_rows[index]


@_ROWS.method("String getDmlMessage(Integer)")
def _dml_message(error: ApexException, index: int) -> str:
    return _row(error, index).message  # type: ignore[no-any-return]  # a RowFault


@_ROWS.method("StatusCode getDmlType(Integer)")
def _dml_type(error: ApexException, index: int) -> ApexEnum:
    return ApexEnum("StatusCode", _row(error, index).status_code, 0)


@_ROWS.method("String getDmlStatusCode(Integer)")
def _dml_status(error: ApexException, index: int) -> str:
    return _row(error, index).status_code  # type: ignore[no-any-return]  # a RowFault


@_ROWS.method("Id getDmlId(Integer)")
def _dml_id(error: ApexException, index: int) -> str | None:
    return _row(error, index).id  # type: ignore[no-any-return]  # a RowFault


@_ROWS.method("Integer getDmlIndex(Integer)")
def _dml_index(error: ApexException, index: int) -> int:
    return _row(error, index).index  # type: ignore[no-any-return]  # a RowFault


@_ROWS.method("List<String> getDmlFieldNames(Integer)")
def _dml_field_names(error: ApexException, index: int) -> ApexList:
    return ApexList(Platform("String"), _row(error, index).fields)


# ---- Type -----------------------------------------------------------------------------------------------------------


class TypeValue:
    """System.Type: a type as a value."""

    apex_name = "Type"
    __slots__ = ("type",)

    def __init__(self, type_: Type) -> None:
        self.type = type_

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TypeValue) and other.type == self.type

    def __hash__(self) -> int:
        return hash(self.type)

    def __str__(self) -> str:
        return str(self.type)


def type_value(type_: Type) -> TypeValue:
    """`T.class`."""
    return TypeValue(type_)


@TYPE.method("String getName()")
def _get_name(value: TypeValue) -> str:
    return str(value.type)


@TYPE.method("Object newInstance()", runtime=True)
def _new_instance(rt: Any, value: TypeValue) -> Any:
    return make(rt, value.type)


def make(rt: Any, type_: Type) -> Any:
    """An instance of a type by its constructor without arguments."""
    from localorg.apex.library.collections import empty
    from localorg.apex.values.records import SObject

    if isinstance(type_, Class):
        info = type_.info
        fits = not info.constructors or any(not each.parameters for each in info.constructors)
        if info.kind != "class" or "abstract" in info.modifiers or not fits:
            raise apex_error("TypeException", f"Type cannot be constructed: {info.name}")
        return rt.load(info)().c()
    if isinstance(type_, Record) and type_.name:
        return SObject(type_.name)
    if isinstance(type_, Platform) and type_.name in ("List", "Set", "Map"):
        return empty(type_)
    raise apex_error("TypeException", f"Type cannot be constructed: {type_}")


@TYPE.method("Boolean isAssignableFrom(Type)")
def _is_assignable_from(value: TypeValue, other: TypeValue) -> bool:
    from localorg.apex.types.conversion import cost

    return cost(other.type, value.type) is not None


@TYPE.static("Type forName(String)", runtime=True)
def _for_name(rt: Any, name: str | None) -> TypeValue | None:
    found = None if name is None else rt.find_type(name)
    return None if found is None else TypeValue(found)


@TYPE.static("Type forName(String, String)", runtime=True)
def _for_name_in(rt: Any, namespace: str | None, name: str | None) -> TypeValue | None:
    if name is None:
        return None
    found = rt.find_type(f"{namespace}.{name}" if namespace else name)
    return None if found is None else TypeValue(found)
