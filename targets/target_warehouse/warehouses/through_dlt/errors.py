"""Errors of drivers, which dlt wraps."""

from __future__ import annotations


def cause_of(error: BaseException) -> BaseException:
    """Return the driver's exception that dlt has wrapped."""
    for name in ("exception", "client_exception", "dbapi_exception", "inner_exc", "orig"):
        inner = getattr(error, name, None)
        if isinstance(inner, BaseException):
            return cause_of(inner)
    return error


def is_of_data(error: BaseException) -> bool:
    """Return whether the driver's exception concerns a value, by the class names of PEP 249."""
    return any(cls.__name__ in {"DataError", "IntegrityError"} for cls in type(error).__mro__)
