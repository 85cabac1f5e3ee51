"""Calls and constructions: finding the overload, checking who may, writing the Python."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from localorg.apex.compiling.code import Code
from localorg.apex.compiling.members import Members, record_member
from localorg.apex.faults import At, CompileError
from localorg.apex.syntax import nodes as n
from localorg.apex.types.classes import ClassInfo, MethodInfo
from localorg.apex.types.conversion import cost, platform_supertypes, substitute
from localorg.apex.types.model import (
    ANY_RECORD,
    EXCEPTION,
    NULL,
    OBJECT,
    VOID,
    Class,
    Platform,
    Record,
    Type,
    list_of,
)
from localorg.apex.types.platform import PLATFORM_TYPES, PlatformType, Signature
from localorg.apex.values.exceptions import PLATFORM_EXCEPTIONS

__all__ = ["Calls"]


class _Choice(NamedTuple):
    """An overload with its parameter types after substitution."""

    target: MethodInfo | Signature
    parameters: tuple[Type, ...]


class Calls(Members):
    """Compiles method calls and `new` within one scope."""

    def call(self, node: n.Call) -> Code:
        """Any method call."""
        if node.target is None:
            return self._bare_call(node)
        if isinstance(node.target, n.Super):
            return self._super_call(node)
        target = self.resolve_target(node.target)
        if not isinstance(target, Code):
            return self._static_call(target, node)
        if node.safe:
            kept = self.scope.temporary()
            rest = self._instance_call(Code(kept, target.type, nonnull=True), node)
            return Code.safe(f"({kept} := {target.text}) is None", rest)
        if target.chain is not None:
            test, rest = target.chain
            return Code.safe(test, self._instance_call(rest, node))
        return self._instance_call(target, node)

    # ---- methods of the program ---------------------------------------------------------------------------------

    def _bare_call(self, node: n.Call) -> Code:
        name = node.name.lower()
        if name in ("this", "super"):
            return self._constructor_call(node)
        arguments = self._arguments(node)
        info: ClassInfo | None = self.scope.info
        while info is not None:
            overloads = info.overloads(name)
            if overloads:
                method = self._pick(overloads, arguments, node, info.name)
                return self._own_call(method, info, arguments, node)
            if info.platform_root() is not None and name in PLATFORM_TYPES["exception"].methods:
                return self._platform_call(Code("self", EXCEPTION, nonnull=True), node, arguments)
            info = info.outer
        raise self._no_method(node, arguments, self.scope.info.name)

    def _own_call(self, choice: _Choice, info: ClassInfo, arguments: list[Code], node: n.Call) -> Code:
        method = choice.target
        assert isinstance(method, MethodInfo)  # noqa: S101 - overloads of a class
        passed = self._passed(choice.parameters, arguments)
        if method.static:
            return Code(f"{self.scope.unit.use(method.owner)}.{method.python}({passed})", method.result)
        if self.scope.static or info is not self.scope.info:
            message = f"Non static method cannot be referenced from a static context: {_described(method)}"
            raise CompileError(message, node.at)
        return Code(self._bound("self", method, passed), method.result)

    def _bound(self, target: str, method: MethodInfo, passed: str) -> str:
        """A call of an instance method: a private one is its own class's, whatever a child calls by that name."""
        if method.visibility == "private" and not method.modifiers & _OVERRIDABLE:
            return f"{self.scope.unit.use(method.owner)}.{method.python}({', '.join(filter(None, (target, passed)))})"
        return f"{target}.{method.python}({passed})"

    def _super_call(self, node: n.Call) -> Code:
        parent = self.scope.info.parent
        arguments = self._arguments(node)
        if isinstance(parent, Class):
            overloads = parent.info.overloads(node.name.lower())
            if overloads:
                choice = self._pick(overloads, arguments, node, parent.info.name)
                method = choice.target
                assert isinstance(method, MethodInfo)  # noqa: S101 - overloads of a class
                owner = self.scope.unit.use(method.owner)
                passed = self._passed(choice.parameters, arguments)
                return Code(f"{owner}.{method.python}(self{', ' if passed else ''}{passed})", method.result)
        root = self.scope.info.platform_root()
        if root is not None:
            return self._platform_call(Code("self", root, nonnull=True), node, arguments)
        raise self._no_method(node, arguments, str(parent) if parent is not None else "Object")

    def _constructor_call(self, node: n.Call) -> Code:
        if not self.scope.in_constructor:
            raise CompileError(f"Call to '{node.name.lower()}()' must be the first statement in a constructor", node.at)
        arguments = self._arguments(node)
        info: ClassInfo | Platform | Class | None = self.scope.info
        if node.name.lower() == "super":
            info = self.scope.info.parent
            info = info.info if isinstance(info, Class) else info
        if isinstance(info, ClassInfo):
            return Code(self.constructor(info, arguments, node.at, on="self"), VOID)
        if info is None or not arguments:
            return Code("self", VOID)
        return Code(f"exception_init(self, {', '.join(each.text for each in arguments)})", VOID)

    # ---- instance and static calls ------------------------------------------------------------------------------

    def _instance_call(self, target: Code, node: n.Call) -> Code:
        arguments = self._arguments(node)
        if not isinstance(target.type, Class):
            return self._platform_call(target, node, arguments)
        info = target.type.info
        overloads = info.overloads(node.name.lower())
        if not overloads:
            return self._inherited_call(target, node, arguments)
        choice = self._pick(overloads, arguments, node, info.name)
        method = choice.target
        assert isinstance(method, MethodInfo)  # noqa: S101 - overloads of a class
        if method.static:
            message = f"Static method cannot be referenced from a non static context: {_described(method)}"
            raise CompileError(message, node.at)
        self._check_method_visible(method, node.at)
        passed = self._passed(choice.parameters, arguments)
        return Code(self._bound(self.guard(target), method, passed), method.result)

    def _inherited_call(self, target: Code, node: n.Call, arguments: list[Code]) -> Code:
        """A method the class has from the platform: Object's, an enum's, an exception's, an interface's."""
        assert isinstance(target.type, Class)  # noqa: S101 - callers dispatch on it
        info = target.type.info
        owners: list[Platform] = [each for each in info.supertypes() if isinstance(each, Platform)]
        if info.kind == "enum":
            owners.append(Platform("Enum"))
        for owner in owners:
            for each in [owner, *platform_supertypes(owner)]:
                if node.name.lower() in PLATFORM_TYPES[each.name.lower()].methods:
                    return self._platform_call(Code(target.text, each, nonnull=target.nonnull), node, arguments)
        if node.name.lower() in PLATFORM_TYPES["object"].methods:
            return self._platform_call(Code(target.text, OBJECT, nonnull=target.nonnull), node, arguments)
        raise self._no_method(node, arguments, info.name)

    def _static_call(self, type_: Type, node: n.Call) -> Code:
        if type_ == Platform("Database") and node.name.lower() == "getquerylocator":
            locator = self._inline_locator(node)
            if locator is not None:
                return locator
        arguments = self._arguments(node)
        if isinstance(type_, Class):
            return self._class_static(type_, node, arguments)
        if isinstance(type_, Record):
            return self._record_static(type_, node, arguments)
        spec = PLATFORM_TYPES.get(type_.name.lower())
        signatures = [] if spec is None else spec.statics.get(node.name.lower(), [])
        if not signatures and f"{type_}.{node.name}".lower() in _UNSUPPORTED:
            raise self.unsupported(f"{type_}.{node.name}", node.at)
        if not signatures:
            raise self._no_method(node, arguments, str(type_))
        choice = self._pick_signature(signatures, {}, arguments, node, str(type_))
        return self._platform_code(choice, None, arguments)

    def _inline_locator(self, node: n.Call) -> Code | None:
        """getQueryLocator([SELECT ...]): the query is handed over, not run."""
        if not node.arguments or not isinstance(node.arguments[0], n.Query):
            return None
        rows = self.expression(node.arguments[0])
        text = rows.text.replace("query(", "query_locator(", 1)
        return Code(text, Platform("Database.QueryLocator"), nonnull=True)

    def _class_static(self, type_: Class, node: n.Call, arguments: list[Code]) -> Code:
        info = type_.info
        name = node.name.lower()
        if info.kind == "enum" and name in ("values", "valueof"):
            python = self.scope.unit.use(info)
            if name == "values":
                return Code(f"{python}.enum_values()", list_of(type_), nonnull=True)
            return Code(f"{python}.enum_value({arguments[0].text})", type_)
        overloads = info.overloads(name)
        if not overloads:
            raise self._no_method(node, arguments, info.name)
        choice = self._pick(overloads, arguments, node, info.name)
        method = choice.target
        assert isinstance(method, MethodInfo)  # noqa: S101 - overloads of a class
        if not method.static:
            if not self.scope.static and any(Class(info) == each for each in self.scope.info.supertypes()):
                return Code(f"self.{method.python}({self._passed(choice.parameters, arguments)})", method.result)
            message = f"Non static method cannot be referenced from a static context: {_described(method)}"
            raise CompileError(message, node.at)
        self._check_method_visible(method, node.at)
        owner = self.scope.unit.use(method.owner)
        return Code(f"{owner}.{method.python}({self._passed(choice.parameters, arguments)})", method.result)

    def _record_static(self, record: Record, node: n.Call, arguments: list[Code]) -> Code:
        """Custom metadata and custom settings: `X__mdt.getAll()`, `Y__c.getInstance()`, `Account.getSObjectType()`."""
        name = node.name.lower()
        if name == "getsobjecttype" and record.name:
            return Code(f"object_token(rt, {record.name!r})", Platform("Schema.SObjectType"), nonnull=True)
        spec = PLATFORM_TYPES["custom settings"]
        signatures = spec.statics.get(name, [])
        if not signatures or not record.name:
            raise self._no_method(node, arguments, str(record))
        choice = self._pick_signature(signatures, {"T": record}, arguments, node, str(record))
        passed = self._passed(choice.parameters, arguments)
        signature = choice.target
        assert isinstance(signature, Signature)  # noqa: S101 - platform signatures
        text = f"{signature.symbol}(rt, {record.name!r}{', ' if passed else ''}{passed})"
        return Code(text, substitute(signature.result, {"T": record}))

    # ---- platform methods ---------------------------------------------------------------------------------------

    def _platform_call(self, target: Code, node: n.Call, arguments: list[Code]) -> Code:
        type_ = target.type
        name = node.name.lower()
        if type_ in (NULL, VOID):
            raise self._no_method(node, arguments, str(type_))
        owners = [Platform("SObject")] if isinstance(type_, Record) else [type_, *platform_supertypes(type_)]  # type: ignore[arg-type]  # a Class never comes here
        for owner in [*owners, OBJECT]:
            spec: PlatformType | None = PLATFORM_TYPES.get(owner.name.lower())
            if spec is None or name not in spec.methods:
                continue
            bound: dict[str, Type] = dict(zip(spec.parameters, owner.arguments, strict=False))
            if isinstance(type_, Record):
                bound["T"] = type_
            choice = self._pick_signature(spec.methods[name], bound, arguments, node, str(type_))
            return self._platform_code(choice, target, arguments, bound)
        raise self._no_method(node, arguments, str(type_))

    def _platform_code(
        self, choice: _Choice, target: Code | None, arguments: list[Code], bound: dict[str, Type] | None = None
    ) -> Code:
        signature = choice.target
        assert isinstance(signature, Signature)  # noqa: S101 - platform signatures
        parts = [each.to(want) for each, want in zip(arguments, choice.parameters, strict=True)]
        if target is not None:
            parts.insert(0, self.guard(target))
        result = substitute(signature.result, bound or {})
        row = signature.owner.name == "Database" and signature.name.lower() in ("query", "querywithbinds")
        if signature.inline is not None:
            return Code(signature.inline.format(*parts), result, nonnull=signature.result in _NEVER_NULL)
        if signature.runtime:
            parts.insert(0, "rt")
        never_null = signature.result in _NEVER_NULL
        return Code(f"{signature.symbol}({', '.join(parts)})", result, nonnull=never_null, row=row)

    # ---- construction -------------------------------------------------------------------------------------------

    def new(self, node: n.New) -> Code:
        """`new T(...)`."""
        type_ = self.names.resolve(node.type, self.scope.info)
        if isinstance(type_, Record):
            return self._new_record(type_, node)
        arguments = [self.expression(each) for each in node.arguments]
        if isinstance(type_, Class):
            info = type_.info
            if info.kind != "class":
                raise CompileError(f"Type cannot be constructed: {info.name}", node.at)
            if "abstract" in info.modifiers:
                raise CompileError(f"Abstract classes cannot be constructed: {info.name}", node.at)
            return Code(self.constructor(info, arguments, node.at), type_, nonnull=True)
        return self._new_platform(type_, arguments, node)

    def constructor(self, info: ClassInfo, arguments: list[Code], at: At, *, on: str | None = None) -> str:
        """A constructor's call, on a new instance or, chained by `this` and `super`, on the one being made.

        It gives the instance back.
        """
        python = self.scope.unit.use(info)
        written = f"[{info.name}].<Constructor>({', '.join(str(each.type) for each in arguments)})"
        name, passed = "c", ""
        own = _best([_Choice(each, each.parameters) for each in info.constructors], arguments)
        if own is not None:
            method = own.target
            assert isinstance(method, MethodInfo)  # noqa: S101 - constructors of a class
            if not self.scope.sees(method.owner, method.visibility, test_visible="testvisible" in method.annotations):
                raise CompileError(f"Constructor is not visible: {written}", at)
            name, passed = method.python, self._passed(own.parameters, arguments)
        elif info.platform_root() is not None:
            best = _best([_Choice(s, s.parameters) for s in PLATFORM_TYPES["exception"].constructors], arguments)
            if best is None:
                raise CompileError(f"Constructor not defined: {written}", at)
            # Every exception has these beside its own.
            made = f"{python}().c()" if on is None else f"{python}.c({on})"
            return f"exception_init({', '.join([made, *(each.text for each in arguments)])})"
        elif arguments or info.constructors:
            raise CompileError(f"Constructor not defined: {written}", at)
        if on is None:
            return f"{python}().{name}({passed})"
        return f"{python}.{name}({', '.join(filter(None, (on, passed)))})"

    def _new_record(self, record: Record, node: n.New) -> Code:
        if record == ANY_RECORD:
            raise CompileError("Type cannot be constructed: SObject", node.at)
        object_ = self.names.object(record)
        pairs = []
        for each in node.arguments:
            if not (isinstance(each, n.Assign) and isinstance(each.target, n.Name) and each.operator == "="):
                raise CompileError(
                    f"Invalid constructor syntax, name=value pairs can only be used for SObjects: {record}", node.at
                )
            found = None if object_ is None else record_member(self.scope, object_, each.target.name)
            if found is None:
                raise CompileError(f"Field does not exist: {each.target.name} on {record}", each.at)
            pairs.append(f"{found[0]!r}: {self.assignable(self.expression(each.value), found[1], each.at)}")
        return Code(f"SObject({record.name!r}, {{{', '.join(pairs)}}})", record, nonnull=True)

    def _new_platform(self, type_: Platform, arguments: list[Code], node: n.New) -> Code:
        spec = PLATFORM_TYPES[type_.name.lower()]
        bound = dict(zip(spec.parameters, type_.arguments, strict=False))
        choices = [_Choice(s, tuple(substitute(p, bound) for p in s.parameters)) for s in spec.constructors]
        best = _best(choices, arguments)
        if best is None:
            if not spec.constructors:
                raise CompileError(f"Type cannot be constructed: {type_}", node.at)
            written = f"[{type_}].<Constructor>({', '.join(str(each.type) for each in arguments)})"
            raise CompileError(f"Constructor not defined: {written}", node.at)
        signature = best.target
        assert isinstance(signature, Signature)  # noqa: S101 - platform signatures
        parts = [each.to(want) for each, want in zip(arguments, best.parameters, strict=True)]
        if type_.name in PLATFORM_EXCEPTIONS:
            return Code(f"exception_init({', '.join([f'exceptions[{type_.name!r}]()', *parts])})", type_, nonnull=True)
        if type_.arguments:
            parts = [*(self.scope.unit.constant(each) for each in type_.arguments), *parts]
        if signature.runtime:
            parts.insert(0, "rt")
        return Code(f"{signature.symbol}({', '.join(parts)})", type_, nonnull=True)

    # ---- overloads ----------------------------------------------------------------------------------------------

    def assignable(self, code: Code, target: Type, at: At) -> str:
        """The value for a variable of a type. Raises CompileError, Illegal assignment."""
        if cost(code.type, target) is None:
            if code.gives_row(target):
                return f"only_row({code.text})"
            raise CompileError(f"Illegal assignment from {code.type} to {target}", at)
        return code.to(target)

    def _arguments(self, node: n.Call) -> list[Code]:
        arguments = []
        for each in node.arguments:
            code = self.expression(each)
            if code.type == VOID:
                raise CompileError("Expression of type void is not allowed here", each.at)
            arguments.append(code)
        return arguments

    def _passed(self, parameters: Sequence[Type], arguments: Sequence[Code]) -> str:
        return ", ".join(
            f"only_row({each.text})" if each.gives_row(want) else each.to(want)
            for each, want in zip(arguments, parameters, strict=True)
        )

    def _pick(self, overloads: list[MethodInfo], arguments: list[Code], node: n.Call, owner: str) -> _Choice:
        best = _best([_Choice(each, each.parameters) for each in overloads], arguments)
        if best is None:
            raise self._no_method(node, arguments, owner)
        return best

    def _pick_signature(
        self, signatures: list[Signature], bound: dict[str, Type], arguments: list[Code], node: n.Call, owner: str
    ) -> _Choice:
        choices = [_Choice(s, tuple(substitute(p, bound) for p in s.parameters)) for s in signatures]
        best = _best(choices, arguments)
        if best is None:
            raise self._no_method(node, arguments, owner)
        return best

    def _check_method_visible(self, method: MethodInfo, at: At) -> None:
        if not self.scope.sees(method.owner, method.visibility, test_visible="testvisible" in method.annotations):
            raise CompileError(f"Method is not visible: {_described(method)}", at)

    def _no_method(self, node: n.Call, arguments: list[Code], owner: str) -> CompileError:
        given = ", ".join(str(each.type) for each in arguments)
        message = f"Method does not exist or incorrect signature: void {node.name}({given}) from the type {owner}"
        return CompileError(message, node.at)


# Real methods of the platform that this subset leaves out: named as such instead of being called unknown.
_UNSUPPORTED = frozenset(
    {
        "test.createstub", "test.setfixedsearchresults", "test.geteventbus", "test.calculatepermissionsetgroup",
        "test.loaddata", "test.enablechangedatacapture", "test.createsoqlstub", "test.invokepage",
        "test.newsendemailquickactiondefaults", "test.setcontinuationresponse", "test.setcurrentpage",
        "system.attachfinalizer", "system.enqueuefuture", "system.process", "system.resetpassword",
        "system.setpassword", "system.changeownpassword", "system.movepassword", "system.purgeoldasyncjobs",
        "system.schedulebatch", "system.submit", "database.getcursor", "database.merge", "database.getdeleted",
        "database.getupdated", "database.insertasync", "database.updateasync", "database.deleteasync",
        "database.insertimmediate", "crypto.signwithcertificate", "crypto.signxml", "crypto.encryptwithcertificate",
        "json.createparser", "math.randominteger",
    }
)  # fmt: skip
_OVERRIDABLE = frozenset({"virtual", "abstract", "override"})
_NEVER_NULL = (VOID, Platform("Boolean"), Platform("Integer"))


def _best(choices: list[_Choice], arguments: list[Code]) -> _Choice | None:
    """The overload whose conversions cost least; the first declared wins a tie."""
    best: tuple[int, _Choice] | None = None
    for choice in choices:
        if len(choice.parameters) != len(arguments):
            continue
        total = 0
        for have, want in zip(arguments, choice.parameters, strict=True):
            each = cost(have.type, want)
            if each is None and have.gives_row(want):
                each = 5
            if each is None:
                break
            total += each
        else:
            if best is None or total < best[0]:
                best = (total, choice)
    return None if best is None else best[1]


def _described(method: MethodInfo) -> str:
    given = ", ".join(map(str, method.parameters))
    return f"{method.result} {method.name}({given}) from the type {method.owner.name}"
