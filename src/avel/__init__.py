"""avel: audio-visual event localization, from features to comparable results."""

__version__ = "0.1.0"
