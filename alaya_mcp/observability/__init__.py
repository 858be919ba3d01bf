"""Traces and metrics by OpenTelemetry, loaded where they are asked for."""
