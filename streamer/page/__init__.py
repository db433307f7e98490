"""A report as one HTML page that needs nothing else: to be looked at, and sent to a colleague.

charts     figures over time → SVG
build      a report → the page (pure)
"""

from streamer.page.build import page_of

__all__ = ["page_of"]
