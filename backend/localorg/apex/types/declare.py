"""From syntax trees to declared classes: headers first, then members, then the rules that hold between them."""

from __future__ import annotations

from collections.abc import Iterable

from localorg.apex.faults import At, CompileError
from localorg.apex.syntax import nodes as n
from localorg.apex.types.classes import ClassInfo, FieldInfo, MethodInfo
from localorg.apex.types.conversion import cost, substitute
from localorg.apex.types.identifiers import check_identifier
from localorg.apex.types.model import VOID, Class, Platform, Type
from localorg.apex.types.names import Names
from localorg.apex.types.platform import PLATFORM_TYPES

__all__ = ["check_declaration", "declare_headers", "declare_members", "implementation", "sketch"]

# Every object has these; a class may give its own with or without `override`.
_UNIVERSAL = frozenset({("tostring", 0), ("equals", 1), ("hashcode", 0), ("getmessage", 0), ("getcause", 0)})


def sketch(declaration: n.TypeDeclaration, outer: ClassInfo | None = None) -> ClassInfo:
    """A class with its inner types by name; nothing resolved yet. Raises CompileError on a name given twice."""
    name = declaration.name if outer is None else f"{outer.name}.{declaration.name}"
    check_identifier(declaration.name, declaration.at)
    info = ClassInfo(name, declaration, outer, "C_" + name.lower().replace(".", "__"))
    for member in declaration.members:
        if isinstance(member, n.TypeDeclaration):
            if outer is not None:
                raise CompileError("Inner types are not allowed to have inner types", member.at)
            if member.name.lower() in info.inner:
                raise CompileError(f"Duplicate type: {member.name}", member.at)
            info.inner[member.name.lower()] = sketch(member, info)
    return info


def declare_headers(info: ClassInfo, names: Names) -> None:
    """Parents and interfaces, of inner types too."""
    written = info.declaration
    if written.parent is not None:
        parent = names.resolve(written.parent, info.outer or info)
        _check_parent(parent, written.parent)
        info.parent = parent  # type: ignore[assignment]  # _check_parent lets no Record through
    for each in written.interfaces:
        interface = names.resolve(each, info.outer or info)
        if not _is_interface(interface):
            raise CompileError(f"Non-interface type cannot be implemented: {interface}", each.at)
        info.interfaces.append(interface)  # type: ignore[arg-type]  # no Record is an interface
    for inner in info.inner.values():
        declare_headers(inner, names)


def _check_parent(parent: Type, ref: n.TypeRef) -> None:
    if isinstance(parent, Class):
        if not parent.info.modifiers & {"virtual", "abstract"} and parent.info.platform_root() is None:
            raise CompileError(f"Non-virtual and non-abstract type cannot be extended: {parent}", ref.at)
        if parent.info.kind != "class":
            raise CompileError(f"Class must extend another class: {parent}", ref.at)
    elif not (isinstance(parent, Platform) and parent.name == "Exception"):
        raise CompileError(f"Non-virtual and non-abstract type cannot be extended: {parent}", ref.at)


def _is_interface(type_: Type) -> bool:
    if isinstance(type_, Class):
        return type_.info.kind == "interface"
    return (
        isinstance(type_, Platform)
        and type_.name.lower() in PLATFORM_TYPES
        and PLATFORM_TYPES[type_.name.lower()].interface
    )


def declare_members(info: ClassInfo, names: Names) -> None:
    """Fields, properties, methods and constructors with their types, of inner types too."""
    own = Class(info)
    for ordinal, constant in enumerate(info.declaration.constants):
        info.fields[constant.lower()] = FieldInfo(
            info, constant, own, True, frozenset({"global", "final"}), False, f"s_{ordinal}_{constant.lower()}"
        )
    for member in info.declaration.members:
        if isinstance(member, n.FieldDeclaration):
            type_ = names.resolve(member.type, info)
            for variable in member.variables:
                _add_field(info, _field(info, member, variable, type_), variable.at)
        elif isinstance(member, n.PropertyDeclaration):
            _add_field(info, _property(info, member, names.resolve(member.type, info)), member.at)
        elif isinstance(member, n.MethodDeclaration):
            _add_method(info, member, names)
    for inner in info.inner.values():
        declare_members(inner, names)


def _add_field(info: ClassInfo, field: FieldInfo, at: At) -> None:
    check_identifier(field.name, at)
    if field.name.lower() in info.fields:
        raise CompileError(f"Duplicate field: {field.name}", at)
    if field.type == VOID:
        raise CompileError("Invalid type: void", at)
    if field.static and info.outer is not None:
        raise CompileError("Only top-level class variables can be declared static", at)
    info.fields[field.name.lower()] = field


def _field(info: ClassInfo, member: n.FieldDeclaration, variable: n.DeclaredVariable, type_: Type) -> FieldInfo:
    static = "static" in member.modifiers
    python = f"s_{variable.name.lower()}" if static else _attribute(info, variable.name, member.modifiers)
    return FieldInfo(info, variable.name, type_, static, member.modifiers, _test_visible(member.annotations), python)


def _property(info: ClassInfo, member: n.PropertyDeclaration, type_: Type) -> FieldInfo:
    static = "static" in member.modifiers
    getter, setter = member.getter, member.setter
    return FieldInfo(
        info,
        member.name,
        type_,
        static,
        member.modifiers,
        _test_visible(member.annotations),
        f"s_{member.name.lower()}" if static else _attribute(info, member.name, member.modifiers),
        getter=getter is not None and getter[1] is not None,
        setter=setter is not None and setter[1] is not None,
        is_property=True,
        private_set=setter is not None and bool(setter[0] & {"private", "protected"}),
        readable=getter is not None,
        writable=setter is not None,
    )


def _attribute(info: ClassInfo, name: str, modifiers: frozenset[str]) -> str:
    """Where an instance keeps a field; a private one apart from what a child calls by the same name."""
    own = modifiers & {"public", "protected", "global"}
    return f"f_{name.lower()}" if own else f"f_{name.lower()}_of_{info.python}"


def _test_visible(annotations: Iterable[n.Annotation]) -> bool:
    return any(annotation.name == "testvisible" for annotation in annotations)


def _add_method(info: ClassInfo, member: n.MethodDeclaration, names: Names) -> None:
    parameters = tuple(names.resolve(each.type, info) for each in member.parameters)
    if len({each.name.lower() for each in member.parameters}) != len(parameters):
        raise CompileError("Duplicate parameter name", member.at)
    annotations = {annotation.name: dict(annotation.values) for annotation in member.annotations}
    suffix = "".join(f"__{each.key}" for each in parameters)
    if member.result is None:
        if member.name.lower() != info.declaration.name.lower():
            raise CompileError(f"Invalid constructor name: {member.name}", member.at)
        result: Type = VOID
        python, into = f"c{suffix}", info.constructors
    else:
        python, result = f"m_{member.name.lower()}{suffix}", names.resolve(member.result, info)
        into = info.methods.setdefault(member.name.lower(), [])
    static = "static" in member.modifiers
    if static and info.outer is not None:
        raise CompileError("Only top-level class methods can be declared static", member.at)
    made = MethodInfo(info, member.name, parameters, result, static, member.modifiers, annotations, member, python)
    if any(each.python == python for each in into):
        raise CompileError(f"Method already defined: {_shape(made)}", member.at)
    into.append(made)


def _shape(method: MethodInfo) -> str:
    return f"{method.result} {method.name}({', '.join(map(str, method.parameters))})"


def check_declaration(info: ClassInfo) -> None:
    """Overrides say so and fit; a class that is not abstract implements all it promises. Raises CompileError."""
    for methods in info.methods.values():
        for method in methods:
            _check_override(info, method)
    if info.kind == "class" and "abstract" not in info.modifiers:
        _check_implemented(info)


def _inherited(info: ClassInfo, method: MethodInfo) -> MethodInfo | None:
    if not isinstance(info.parent, Class):
        return None
    for above in info.parent.info.ancestors():
        for each in above.methods.get(method.name.lower(), ()):
            hidden = each.visibility == "private" and not each.modifiers & {"virtual", "abstract"}
            if each.python == method.python and not hidden:
                return each
    return None


def _check_override(info: ClassInfo, method: MethodInfo) -> None:
    at = method.declaration.at if method.declaration is not None else info.declaration.at
    if info.kind == "class" and method.abstract and "abstract" not in info.modifiers:
        raise CompileError("Class must be abstract because it has an abstract method", at)
    if method.declaration is not None and method.declaration.body is None and not method.abstract:
        raise CompileError(f"Method must have a body: {_shape(method)}", at)
    above = _inherited(info, method)
    universal = (method.name.lower(), len(method.parameters)) in _UNIVERSAL
    if above is None:
        if "override" in method.modifiers and not universal and not _overrides_platform(info, method):
            raise CompileError(f"@Override specified for non-overriding method: {_shape(method)}", at)
        return
    if above.static or method.static:
        return
    if not above.modifiers & {"virtual", "abstract", "override"}:
        raise CompileError(f"Non-virtual, non-abstract methods cannot be overridden: {_shape(method)}", at)
    if "override" not in method.modifiers and not universal:
        raise CompileError(f"Method must use the override keyword: {_shape(method)}", at)
    if above.result != method.result:
        raise CompileError(f"Return type does not match overridden method: {_shape(method)}", at)


def _overrides_platform(info: ClassInfo, method: MethodInfo) -> bool:
    return any(
        isinstance(each, Platform) and method.name.lower() in PLATFORM_TYPES[each.name.lower()].methods
        for each in info.supertypes()
    )


def _check_implemented(info: ClassInfo) -> None:
    for each in info.supertypes():
        if isinstance(each, Class):
            for methods in each.info.methods.values():
                for method in methods:
                    if method.abstract and implementation(info, method.name.lower(), method.parameters) is None:
                        _refuse(info, each, _shape(method))
        else:
            spec = PLATFORM_TYPES[each.name.lower()]
            arguments = dict(zip(spec.parameters, each.arguments, strict=False))
            for signatures in spec.methods.values():
                for signature in signatures:
                    parameters = tuple(substitute(p, arguments) for p in signature.parameters)
                    if signature.abstract and not _has_like(info, signature.name.lower(), parameters):
                        result = substitute(signature.result, arguments)
                        _refuse(info, each, f"{result} {signature.name}({', '.join(map(str, parameters))})")


def _refuse(info: ClassInfo, promised: Class | Platform, shape: str) -> None:
    result, rest = shape.split(" ", 1)
    message = f"Class {info.name} must implement the method: {result} {promised}.{rest}"
    raise CompileError(message, info.declaration.at)


def implementation(info: ClassInfo, name: str, parameters: tuple[Type, ...]) -> MethodInfo | None:
    """The method that keeps a promise: of the same parameters, or else of wider ones."""
    found = [
        method
        for above in info.ancestors()
        for method in above.methods.get(name, ())
        if not method.abstract and len(method.parameters) == len(parameters)
    ]
    exact = next((method for method in found if method.parameters == parameters), None)
    return exact or next((method for method in found if _takes(method, parameters)), None)


def _takes(method: MethodInfo, parameters: tuple[Type, ...]) -> bool:
    return all(cost(given, wanted) is not None for given, wanted in zip(parameters, method.parameters, strict=True))


def _has_like(info: ClassInfo, name: str, parameters: tuple[Type, ...]) -> bool:
    """Platform interfaces are generic in ways a program may narrow: List<SObject> as List<Account>."""
    return any(
        len(method.parameters) == len(parameters) and not method.abstract
        for above in info.ancestors()
        for method in above.methods.get(name, ())
    )
