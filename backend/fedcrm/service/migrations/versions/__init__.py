"""The steps in order. A step that was released is never changed: the next one mends it."""

from fedcrm.service.migrations.versions import first_tables
from fedcrm.service.migrations.versions.step import Step

__all__ = ["STEPS", "Step"]

STEPS: tuple[Step, ...] = (first_tables.STEP,)
