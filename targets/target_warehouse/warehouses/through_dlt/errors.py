"""Errors of drivers, which dlt wraps."""

from __future__ import annotations


def cause_of(error: BaseException) -> BaseException:
    """Return what a driver raised, out of what dlt has wrapped around it."""
    for name in ("exception", "client_exception", "dbapi_exception", "inner_exc", "orig"):
        inner = getattr(error, name, None)
        if isinstance(inner, BaseException):
            return cause_of(inner)
    return error


def is_of_data(error: BaseException) -> bool:
    """Tell whether a driver finds a value at fault, by the names that PEP 249 gives to errors."""
    return any(cls.__name__ in {"DataError", "IntegrityError"} for cls in type(error).__mro__)
