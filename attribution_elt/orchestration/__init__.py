"""The schedules of `meltano.yml`, run by Dagster: docs/orchestrator.md."""
