{# Generic tests: queries of wrong rows. dbt treats macros with such names as tests. #}

{# Rows whose key is null or not unique. #}
{%- macro test_is_key(model, columns) -%}
SELECT {{ columns | join(', ') }}, count(*) AS rows_of_key
FROM {{ model }}
GROUP BY {{ columns | join(', ') }}
HAVING count(*) > 1{% for column in columns %} OR {{ column }} IS NULL{% endfor %}
{%- endmacro -%}

{# Values of a column that another model does not have. #}
{%- macro test_is_reference(model, column, to, field) -%}
SELECT own.{{ column }}
FROM {{ model }} AS own
LEFT JOIN {{ to }} AS other ON other.{{ field }} = own.{{ column }}
WHERE own.{{ column }} IS NOT NULL AND other.{{ field }} IS NULL
{%- endmacro -%}

{# Values of a column that are null. #}
{%- macro test_is_present(model, column) -%}
SELECT * FROM {{ model }} AS own WHERE {{ column }} IS NULL
{%- endmacro -%}
