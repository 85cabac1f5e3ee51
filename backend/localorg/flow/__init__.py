"""Flows, run: record-triggered and autolaunched ones, with their actions in Apex."""

from localorg.flow.definition import FlowProblem
from localorg.flow.engine import FlowEngine, FlowOutcome
from localorg.flow.reader import read_flow

__all__ = ["FlowEngine", "FlowOutcome", "FlowProblem", "read_flow"]
