"""The plan: from the catalog, the selection and the options to all that a run will do. Pure."""

from streamer.plan.build import PlanOptions, make_plan, settings_problems
from streamer.plan.estimate import estimated_rows
from streamer.plan.grouping import by_table
from streamer.plan.select import select

__all__ = ["PlanOptions", "by_table", "estimated_rows", "make_plan", "select", "settings_problems"]
