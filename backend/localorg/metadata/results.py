"""What a deployment was asked to do, and what came of it, component by component."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["ComponentResult", "DeployOptions", "DeployResult"]


@dataclass(frozen=True, slots=True)
class DeployOptions:
    """How to deploy.

    check_only:          validate, then undo.
    rollback_on_error:   one failure undoes everything.
    allow_missing_files: package.xml may name what is not in the zip.
    ignore_warnings:     only repeated in the answer: warnings never fail a deployment here.
    test_level:          NoTestRun, RunSpecifiedTests, RunLocalTests or RunAllTestsInOrg.
    """

    check_only: bool = False
    rollback_on_error: bool = True
    ignore_warnings: bool = False
    allow_missing_files: bool = False
    test_level: str = "NoTestRun"
    run_tests: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ComponentResult:
    """One component's fate. file_name: as in the zip. line, column: 1-based, 0 where the problem has no place."""

    kind: str
    full_name: str
    file_name: str
    id: str = ""
    created: bool = False
    changed: bool = False
    deleted: bool = False
    problem: str = ""
    warning: bool = False
    line: int = 0
    column: int = 0

    @property
    def success(self) -> bool:
        """No problem, or only a warning."""
        return not self.problem or self.warning


@dataclass(frozen=True, slots=True)
class DeployResult:
    """A finished deployment. tests: the platform's runTestResult document, where tests ran."""

    options: DeployOptions
    components: Sequence[ComponentResult]
    tests: dict[str, Any] | None = None
    error: str = ""  # the deployment as a whole could not be read

    @property
    def successes(self) -> list[ComponentResult]:
        """Components that went in, or would have."""
        return [component for component in self.components if component.success]

    @property
    def failures(self) -> list[ComponentResult]:
        """Components that did not."""
        return [component for component in self.components if not component.success]

    @property
    def success(self) -> bool:
        """Everything went in; with failures and no rollback asked for, the rest did."""
        tests_failed = bool(self.tests and int(self.tests.get("numFailures", 0)))
        return not self.failures and not self.error and not tests_failed


@dataclass(frozen=True, slots=True)
class Listed:
    """One component as listMetadata shows it."""

    kind: str
    full_name: str
    file_name: str
    id: str
    created: str
    modified: str
    namespace: str = ""
    extra: dict[str, str] = field(default_factory=dict)
