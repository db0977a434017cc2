"""Dagster for the jobs and schedules of `meltano.yml`: docs/orchestrator.md."""
