"""Run the feature extraction of an org and wait for its end, as `fedcrm_extract_features`."""

from __future__ import annotations

import time
from typing import Any

from cumulusci.core.exceptions import CumulusCIException
from cumulusci.tasks.salesforce import BaseSalesforceApiTask

from tasks.installed import namespace_of

__all__ = ["ExtractFeatures"]

_ENDED = ("Completed", "Failed", "Stopped", "Withdrawn")


class ExtractFeatures(BaseSalesforceApiTask):  # type: ignore[misc]  # CumulusCI has no types
    """Start runs, or find those under way, and wait.

    Raises CumulusCIException with the run's own message where one did not complete.
    """

    task_options = {
        "tasks": {"description": "Model tasks, separated by commas. Default: all four that ship."},
        "purpose": {"description": "Training or Scoring. Default: Training."},
        "timeout": {"description": "Seconds to wait for all of them. Default: 1800."},
    }

    def _run_task(self) -> None:
        given = self.options.get("tasks") or "churn,lead_conversion,opportunity_win,case_escalation"
        purpose = self.options.get("purpose") or "Training"
        deadline = time.monotonic() + float(self.options.get("timeout") or 1800)
        for name in [each.strip() for each in given.split(",")]:
            run_id = self.sf.apexecute(
                f"{self._prefix('/')}fedcrm/extractions/", method="POST", data={"task": name, "purpose": purpose}
            )
            self._report(name, self._wait(run_id, deadline))

    def _wait(self, run_id: str, deadline: float) -> dict[str, Any]:
        p = self._prefix("__")
        soql = (
            f"SELECT {p}Status__c, {p}Message__c, {p}Entities_Staged__c, {p}Blocks__c "
            f"FROM {p}Extraction_Run__c WHERE Id = '{run_id}'"
        )
        while True:
            run: dict[str, Any] = self.sf.query(soql)["records"][0]
            if run[f"{p}Status__c"] in _ENDED:
                return run
            if time.monotonic() > deadline:
                raise CumulusCIException(f"The run {run_id} is still {run[f'{p}Status__c']}.")
            time.sleep(2)

    def _report(self, name: str, run: dict[str, Any]) -> None:
        p = self._prefix("__")
        if run[f"{p}Status__c"] != "Completed":
            raise CumulusCIException(f"{name}: {run[f'{p}Status__c']}. {run[f'{p}Message__c']}")
        staged, blocks = run[f"{p}Entities_Staged__c"] or 0, run[f"{p}Blocks__c"] or 0
        self.logger.info(f"{name}: {staged:.0f} vectors in {blocks:.0f} blocks")

    def _prefix(self, joint: str) -> str:
        namespace = namespace_of(self.project_config, self.org_config)
        return f"{namespace}{joint}" if namespace else ""
