{# A loaded table for a FROM clause, which needs an alias: without rows that the loader has
   marked as deleted. Columns that the table does not have are null, and a table that is not there
   has no rows. `attribution-elt models` has a function of this name that does the same. #}
{%- macro loaded(source_name, table_name) -%}
{%- set relation = source(source_name, table_name) -%}
{%- if not execute -%}
{{ relation }}
{%- else -%}
{%- set declared = graph.sources.values()
    | selectattr('source_name', 'equalto', source_name)
    | selectattr('name', 'equalto', table_name | replace('__versions', '')) | first -%}
{%- set types = {} -%}
{%- for name, column in declared.columns.items() -%}
{%- do types.update({name: column.data_type}) -%}
{%- endfor -%}
{%- if table_name.endswith('__versions') -%}
{%- for name in ['_sdc_valid_from', '_sdc_valid_to'] -%}
{%- do types.update({name: 'timestamp with time zone'}) -%}
{%- endfor -%}
{%- endif -%}
{%- set found = load_relation(relation) -%}
{%- set held = [] -%}
{%- if found -%}
{%- for column in adapter.get_columns_in_relation(relation) -%}
{%- do held.append(column.name | lower) -%}
{%- endfor -%}
{%- endif -%}
(
    SELECT
    {%- for name, type in types.items() %}
        {% if name in held %}{{ adapter.quote(name) }}{% else %}CAST(NULL AS {{ type }}) AS {{ adapter.quote(name) }}{% endif %}{{ "," if not loop.last }}
    {%- endfor %}
    {%- if found %}
    FROM {{ relation }}
    {%- if '_sdc_deleted_at' in held %}
    WHERE _sdc_deleted_at IS NULL
    {%- endif %}
    {%- else %}
    WHERE 1 = 0
    {%- endif %}
)
{%- endif -%}
{%- endmacro -%}
