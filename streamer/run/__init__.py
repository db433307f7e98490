"""A whole job: `run` carries out the plan and leaves a report."""

from streamer.run.start import run

__all__ = ["run"]
