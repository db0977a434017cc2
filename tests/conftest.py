"""Fixtures that several tests share."""

pytest_plugins = ["sandbox.pytest_plugin"]
