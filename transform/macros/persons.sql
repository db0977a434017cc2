{# A source's id of a person, as a hash: the models keep no e-mail address and no client id. #}
{%- macro person_id(source, id) -%}
substr({{ sha256_of("'" ~ source ~ ":' || lower(trim(CAST(" ~ id ~ " AS varchar)))") }}, 1, 32)
{%- endmacro -%}

{# Whether a text is an id at all: shops send these where they know nobody. #}
{%- macro is_id(text) -%}
lower(trim({{ text }})) NOT IN ('', '0', '-1', 'null', 'none', 'nil', 'undefined', 'unknown', 'anonymous', 'guest')
{%- endmacro -%}
