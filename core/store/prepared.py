"""Prepared statements: those on a turn's way to its first token, put straight to the driver's cursor.

SQLAlchemy builds their SQL and knows their types; its execution, which makes a score of objects around each statement,
takes longer than the database does: 60 µs, and five times that where the code has just been idle.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.exc import DBAPIError

Row = dict[str, Any]
"""By the names of its columns."""
Statement = sa.Select[Any] | sa.Insert | sa.Update
_Conversions = list[tuple[str, Callable[[Any], Any]]]
"""By name: between what Python has and what the driver takes or gives."""


class Prepared:
    """A statement that tells rows. Every call has the same `parameters` by name. Errors are SQLAlchemy's."""

    def __init__(self, statement: Statement) -> None:
        """Not with `in_`, whose parameters are only known when it is executed."""
        self._statement = statement
        self._for: dict[str, _PreparedFor] = {}

    def row(self, connection: sa.Connection, parameters: Mapping[str, Any]) -> Row | None:
        """The only one, or none."""
        return next(iter(self.rows(connection, parameters)), None)

    def rows(self, connection: sa.Connection, parameters: Mapping[str, Any]) -> list[Row]:
        dialect = connection.dialect
        prepared = self._for.get(dialect.name)
        if prepared is None:
            prepared = self._for[dialect.name] = _PreparedFor(dialect, self._statement, parameters)
        cursor = connection.connection.cursor()
        try:
            return prepared.execute(cursor, parameters)
        except dialect.loaded_dbapi.Error as error:
            raise _as_sqlalchemy_says(connection, cursor, prepared.sql, error) from error
        finally:
            cursor.close()


class _PreparedFor:
    """One kind of database."""

    def __init__(self, dialect: Dialect, statement: Statement, parameters: Iterable[str]) -> None:
        compiled: Any = statement.compile(dialect=dialect, column_keys=list(parameters))
        self.sql = str(compiled)
        self._dialect = dialect
        self._columns = list(statement.exported_columns)
        self._names = [column.name for column in self._columns]
        self._order: list[str] | None = compiled.positiontup if compiled.positional else None
        conversions = dict(self._conversions_of(compiled.binds.values()))
        self._constants = {
            name: conversions[name](value) if name in conversions else value
            for name, value in compiled.params.items()
            if name not in parameters
        }
        self._to_driver: _Conversions = [(name, convert) for name, convert in conversions.items() if name in parameters]
        self._from_driver: _Conversions | None = None
        """Known from the first answer, which tells the driver's own types."""

    def execute(self, cursor: Any, parameters: Mapping[str, Any]) -> list[Row]:
        values = {**self._constants, **parameters}
        for name, convert in self._to_driver:
            values[name] = convert(values[name])
        cursor.execute(self.sql, values if self._order is None else [values[name] for name in self._order])
        if self._from_driver is None:
            self._from_driver = list(self._conversions_from([kind for _, kind, *_ in cursor.description]))
        rows = [dict(zip(self._names, values, strict=True)) for values in cursor.fetchall()]
        for row in rows:
            for name, convert in self._from_driver:
                row[name] = convert(row[name])
        return rows

    def _conversions_of(self, binds: Iterable[sa.BindParameter[Any]]) -> Iterator[tuple[str, Callable[[Any], Any]]]:
        for bind in binds:
            convert = bind.type.dialect_impl(self._dialect).bind_processor(self._dialect)
            if convert is not None:
                yield bind.key, convert

    def _conversions_from(self, kinds: Iterable[Any]) -> Iterator[tuple[str, Callable[[Any], Any]]]:
        for column, kind in zip(self._columns, kinds, strict=True):
            convert = column.type.dialect_impl(self._dialect).result_processor(self._dialect, kind)
            if convert is not None:
                yield column.name, convert


def _as_sqlalchemy_says(connection: sa.Connection, cursor: Any, sql: str, error: Any) -> BaseException:
    """A connection that is lost is not used again."""
    dialect = connection.dialect
    is_lost = dialect.is_disconnect(error, connection.connection, cursor)
    if is_lost:
        connection.invalidate(error)
    told: BaseException = DBAPIError.instance(
        sql,
        None,
        error,
        dialect.loaded_dbapi.Error,
        hide_parameters=True,
        connection_invalidated=is_lost,
        dialect=dialect,
    )
    return told
