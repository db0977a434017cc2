"""Dagster definitions of the jobs and schedules in `meltano.yml`; see docs/orchestrator.md."""
