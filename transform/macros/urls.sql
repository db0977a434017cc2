{# A URL without its query and fragment. #}
{%- macro url_base(url) -%}
split_part(split_part({{ url }}, '?', 1), '#', 1)
{%- endmacro -%}

{# A URL's host and path: what follows the scheme, if there is one. #}
{%- macro url_rest(url) -%}
CASE WHEN {{ url_base(url) }} LIKE '%://%' THEN split_part({{ url_base(url) }}, '://', 2) ELSE {{ url_base(url) }} END
{%- endmacro -%}

{# The host of a URL in lower case, without its port and a leading `www.`; null if it has no host. #}
{%- macro url_host(url) -%}
nullif(split_part(split_part(replace(lower('//' || {{ url_rest(url) }}), '//www.', '//'), '/', 3), ':', 1), '')
{%- endmacro -%}

{# The path of a URL, `/` if it has none. #}
{%- macro url_path(url) -%}
CASE WHEN {{ url_rest(url) }} LIKE '%/%'
    THEN substr({{ url_rest(url) }}, length(split_part({{ url_rest(url) }}, '/', 1)) + 1) ELSE '/' END
{%- endmacro -%}

{# A parameter of a URL's query, still encoded; null if it is absent or empty. #}
{%- macro url_parameter(url, name) -%}
nullif(split_part(split_part('&' || split_part(split_part({{ url }}, '#', 1), '?', 2), '&{{ name }}=', 2), '&', 1), '')
{%- endmacro -%}

{# A parameter of a URL's query, with `+` and the escapes of campaign names decoded. #}
{%- macro url_text(url, name) -%}
replace(replace(replace(replace(replace(replace({{ url_parameter(url, name) }}, '+', ' '), '%20', ' '), '%2B', '+'), '%2F', '/'), '%7C', '|'), '%26', '&')
{%- endmacro -%}
