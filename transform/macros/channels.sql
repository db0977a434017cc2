{# A text with blanks in place of the characters that separate words in names of campaigns. #}
{%- macro words(value) -%}
replace(replace(replace(replace(replace(replace(replace({{ value }}, '-', ' '), '_', ' '), '/', ' '), '.', ' '), '|', ' '), ':', ' '), '+', ' ')
{%- endmacro -%}

{# Whether a touch meets a rule's first condition (`prefix` is empty) or its second one (`and_`). A
   rule without a second condition needs only the first. `word` matches a text in which a word
   begins with the value: `shop` matches `spring-shop` and `shopping`, but not `workshop`. #}
{%- macro rule_fits(prefix) -%}
{%- set value -%}
CASE rule.{{ prefix }}field WHEN 'channel_raw' THEN lower(described.channel_raw) WHEN 'medium' THEN described.medium WHEN 'source' THEN described.traffic_source WHEN 'source_category' THEN described.source_category WHEN 'campaign' THEN described.campaign END
{%- endset -%}
CASE rule.{{ prefix }}operator
            WHEN 'eq' THEN {{ value }} = rule.{{ prefix }}value
            WHEN 'like' THEN {{ value }} LIKE rule.{{ prefix }}value
            WHEN 'word' THEN ' ' || {{ words(value) }} LIKE '% ' || rule.{{ prefix }}value || '%'
            WHEN 'is_null' THEN {{ value }} = '(none)'
            {% if prefix %}ELSE TRUE{% else %}ELSE FALSE{% endif %}

        END
{%- endmacro -%}
