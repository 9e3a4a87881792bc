"""Annotation formats of other programs, each turned into the layout of `avel.data.annotations` by a pure function."""
