"""Settings: option > environment > env file > TOML → one frozen `Config`, or every problem at once."""

from streamer.config.known import Setting
from streamer.config.measured import MeasuredTarget
from streamer.config.resolve import resolve
from streamer.config.settings import (
    API_BASE_URL,
    Config,
    FileTarget,
    LogFormat,
    OutputSettings,
    PacingSettings,
    ProgressMode,
    RunSettings,
    Selection,
    SourceSettings,
    Target,
    TargetSettings,
    ValidateSettings,
    WranglerTarget,
)

__all__ = [
    "API_BASE_URL",
    "Config",
    "FileTarget",
    "LogFormat",
    "MeasuredTarget",
    "OutputSettings",
    "PacingSettings",
    "ProgressMode",
    "RunSettings",
    "Selection",
    "Setting",
    "SourceSettings",
    "Target",
    "TargetSettings",
    "ValidateSettings",
    "WranglerTarget",
    "resolve",
]
