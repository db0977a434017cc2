"""The Meltano project: settings, schedules and runs."""
