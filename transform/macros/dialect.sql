{# SQL that differs between DuckDB, PostgreSQL, SQLite and Snowflake. On SQLite the functions
   `day_in_zone`, `json_ordered`, `sha256` and `split_part` come from the connection of
   `target-warehouse`; the other SQL of these macros does not need it. #}

{# Seconds since 1970 of an instant, as a double. #}
{%- macro epoch_seconds(instant) -%}
{%- if target.type == 'duckdb' -%}
epoch({{ instant }})
{%- elif target.type == 'sqlite' -%}
(CAST(strftime('%s', substr({{ instant }}, 1, 19)) AS real) + CAST('0' || substr({{ instant }}, 20, 7) AS real))
{%- elif target.type == 'snowflake' -%}
(CAST(date_part(epoch_microsecond, {{ instant }}) AS double precision) / 1000000)
{%- else -%}
CAST(extract(epoch FROM {{ instant }}) AS double precision)
{%- endif -%}
{%- endmacro -%}

{# The day of an instant in the variable `reporting_timezone`. #}
{%- macro reporting_day(instant) -%}
{%- set zone = var('reporting_timezone') -%}
{%- if target.type == 'sqlite' -%}
day_in_zone({{ instant }}, '{{ zone }}')
{%- elif target.type == 'snowflake' -%}
CAST(convert_timezone('{{ zone }}', {{ instant }}) AS date)
{%- else -%}
CAST({{ instant }} AT TIME ZONE '{{ zone }}' AS date)
{%- endif -%}
{%- endmacro -%}

{# The first day of a day's month. #}
{%- macro month_of(day) -%}
{%- if target.type == 'sqlite' -%}
date({{ day }}, 'start of month')
{%- else -%}
CAST(date_trunc('month', {{ day }}) AS date)
{%- endif -%}
{%- endmacro -%}

{# The Monday of a day's week. #}
{%- macro week_of(day) -%}
{%- if target.type == 'sqlite' -%}
date({{ day }}, 'weekday 0', '-6 days')
{%- else -%}
CAST(date_trunc('week', {{ day }}) AS date)
{%- endif -%}
{%- endmacro -%}

{# The day seven days after another. #}
{%- macro week_after(day) -%}
{%- if target.type == 'sqlite' -%}
date({{ day }}, '+7 days')
{%- elif target.type == 'snowflake' -%}
dateadd(day, 7, {{ day }})
{%- else -%}
CAST({{ day }} + INTERVAL '7 days' AS date)
{%- endif -%}
{%- endmacro -%}

{# The text of a date, YYYY-MM-DD. #}
{%- macro day_text(day) -%}
CAST({{ day }} AS varchar)
{%- endmacro -%}

{# The SHA-256 of a text, in hexadecimal. #}
{%- macro sha256_of(text) -%}
{%- if target.type == 'postgres' -%}
encode(sha256(convert_to({{ text }}, 'UTF8')), 'hex')
{%- elif target.type == 'snowflake' -%}
sha2({{ text }}, 256)
{%- else -%}
sha256({{ text }})
{%- endif -%}
{%- endmacro -%}

{# Aggregate: a JSON array, as text, of the group's texts in the order of `position`. #}
{%- macro json_list(value, position) -%}
{%- if target.type == 'duckdb' -%}
CAST(to_json(list({{ value }} ORDER BY {{ position }})) AS varchar)
{%- elif target.type == 'sqlite' -%}
json_ordered({{ value }}, {{ position }}, 0)
{%- elif target.type == 'snowflake' -%}
to_json(array_agg({{ value }}) WITHIN GROUP (ORDER BY {{ position }}))
{%- else -%}
CAST(json_agg({{ value }} ORDER BY {{ position }}) AS varchar)
{%- endif -%}
{%- endmacro -%}

{# Aggregate: a JSON array, as text, of JSON objects from `json_object_of`. #}
{%- macro json_objects(value, position) -%}
{%- if target.type == 'sqlite' -%}
json_ordered({{ value }}, {{ position }}, 1)
{%- else -%}
{{ json_list(value, position) }}
{%- endif -%}
{%- endmacro -%}

{# A JSON object; `members` alternates names and SQL. #}
{%- macro json_object_of(members) -%}
{%- if target.type == 'postgres' -%}
json_build_object({{ members }})
{%- elif target.type == 'snowflake' -%}
object_construct({{ members }})
{%- else -%}
json_object({{ members }})
{%- endif -%}
{%- endmacro -%}

{# A text from the variables as a literal. #}
{%- macro literal(text) -%}
'{{ text | replace("'", "''") }}'
{%- endmacro -%}

{# A join for a FROM clause: the elements of a JSON array in a column, as `item.value`; no rows if it is not an array. #}
{%- macro json_items(column) -%}
{%- if target.type == 'duckdb' -%}
CROSS JOIN LATERAL unnest(json_transform(CAST({{ column }} AS json), '["VARCHAR"]')) AS item (value)
{%- elif target.type == 'sqlite' -%}
CROSS JOIN json_each(CASE WHEN json_type({{ column }}) = 'array' THEN {{ column }} ELSE '[]' END) AS item
{%- elif target.type == 'snowflake' -%}
, LATERAL flatten(input => try_parse_json(CAST({{ column }} AS varchar))) AS item
{%- else -%}
CROSS JOIN LATERAL json_array_elements_text(
        CASE WHEN json_typeof(CAST({{ column }} AS json)) = 'array' THEN CAST({{ column }} AS json)
            ELSE CAST('[]' AS json) END
    ) AS item (value)
{%- endif -%}
{%- endmacro -%}

{# A member of a JSON object in a column, as text. #}
{%- macro json_member(column, name) -%}
{%- if target.type == 'postgres' -%}
(CAST({{ column }} AS json) ->> '{{ name }}')
{%- elif target.type == 'sqlite' -%}
json_extract({{ column }}, '$.{{ name }}')
{%- elif target.type == 'snowflake' -%}
CAST(get(try_parse_json(CAST({{ column }} AS varchar)), '{{ name }}') AS varchar)
{%- else -%}
json_extract_string({{ column }}, '$.{{ name }}')
{%- endif -%}
{%- endmacro -%}
