"""Geometry of time without parameters: points, targets, intersections, suppression."""
