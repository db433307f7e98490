"""The queries that read pg_catalog: a few for all tables together, whatever their number.

Every query takes the schemas as `$1` (text[]; NULL: all but the system's) and prints names as
text, because asyncpg decodes `name`, `"char"` and `regproc` in their own ways. Arrays are of text or
oid: what others are, asyncpg 0.32 asks the server first, 4 ms a type. What a version
doesn't have yet is replaced by what it would have said.
"""

from __future__ import annotations

NULLS_NOT_DISTINCT = 150_000  # pg_index.indnullsnotdistinct; pg_constraint.confdelsetcols
MULTIRANGES = 140_000
NOT_NULL_CONSTRAINTS = 180_000  # pg_constraint.contype 'n', which may be NOT VALID
PERIODS = 180_000  # pg_constraint.conperiod
ENFORCEMENT = 180_000  # pg_constraint.conenforced
DATABASE_COLLATION = 150_000  # pg_database_collation_actual_version()

SORTS = "SET LOCAL enable_sort = on"  # readers do without; joins of a thousand tables can't

_OURS = """
ours AS MATERIALIZED (
    SELECT c.oid, n.nspname, c.relname, c.relkind, c.relrowsecurity, c.reltuples, c.relpages,
           c.relispopulated, c.reltoastrelid, c.reloptions, n.oid AS nspoid
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
      AND c.relpersistence <> 't'
      AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
      AND ($1::text[] IS NULL OR n.nspname = ANY ($1))
)"""

_PARTS = """
parts AS (
    SELECT o.oid AS root, o.oid AS part FROM ours AS o
    UNION ALL
    SELECT p.root, i.inhrelid FROM parts AS p
    JOIN pg_class AS c ON c.oid = p.part AND c.relkind = 'p'
    JOIN pg_inherits AS i ON i.inhparent = p.part
)"""

TABLES = f"""
WITH {_OURS}
SELECT o.oid, o.nspname::text AS schema, o.relname::text AS name, o.relkind::text AS kind,
       o.relrowsecurity AS row_security, row_security_active(o.oid) AS rows_hidden,
       o.relispopulated AS populated, coalesce(pg_relation_filenode(o.oid), 0)::bigint AS relfilenode,
       EXISTS (SELECT FROM pg_inherits AS i WHERE i.inhparent = o.oid AND o.relkind <> 'p')
           AS has_children,
       ARRAY(SELECT n.nspname::text FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhparent
             JOIN pg_namespace AS n ON n.oid = c.relnamespace
             WHERE i.inhrelid = o.oid ORDER BY i.inhseqno) AS parent_schemas,
       ARRAY(SELECT c.relname::text FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhparent
             WHERE i.inhrelid = o.oid ORDER BY i.inhseqno) AS parent_names,
       ARRAY(SELECT t.tgname::text FROM pg_trigger AS t
             WHERE t.tgrelid = o.oid AND NOT t.tgisinternal ORDER BY 1) AS triggers,
       ARRAY(SELECT r.rulename::text FROM pg_rewrite AS r
             WHERE r.ev_class = o.oid AND r.rulename <> '_RETURN' ORDER BY 1) AS rules,
       CASE WHEN o.relkind IN ('v', 'm') THEN coalesce(pg_get_viewdef(o.oid), '') ELSE '' END
           AS definition,
       CASE WHEN o.relkind = 'p' THEN coalesce(pg_get_partkeydef(o.oid), '') ELSE '' END
           AS partition_key,
       CASE WHEN o.relkind = 'v' THEN coalesce(o.reloptions, '{{}}') ELSE '{{}}' END AS view_options,
       coalesce(d.description, '') AS comment,
       has_schema_privilege(o.nspoid, 'USAGE') AND (
           has_table_privilege(o.oid, 'SELECT') OR coalesce((
               SELECT bool_and(has_column_privilege(o.oid, a.attnum, 'SELECT'))
               FROM pg_attribute AS a
               WHERE a.attrelid = o.oid AND a.attnum > 0 AND NOT a.attisdropped), false)
       ) AS readable
FROM ours AS o
LEFT JOIN pg_description AS d
       ON d.objoid = o.oid AND d.classoid = 'pg_class'::regclass AND d.objsubid = 0
ORDER BY o.nspname, o.relname
"""

LEAVES = f"""
WITH RECURSIVE {_OURS}, {_PARTS}
SELECT p.root, c.oid, n.nspname::text AS schema, c.relname::text AS name,
       c.reltuples::float8 AS tuples, c.relpages AS pages,
       coalesce(pg_relation_filenode(c.oid), 0)::bigint AS relfilenode,
       CASE WHEN c.relkind IN ('r', 'm') THEN
           coalesce(pg_relation_size(c.oid), 0) / current_setting('block_size')::bigint
           ELSE 0 END AS blocks,
       CASE WHEN c.relkind IN ('r', 'm') THEN coalesce(pg_table_size(c.oid), 0) ELSE 0 END AS bytes,
       CASE WHEN c.reltoastrelid <> 0 THEN coalesce(pg_relation_size(c.reltoastrelid), 0)
           ELSE 0 END AS toast_bytes
FROM parts AS p
JOIN pg_class AS c ON c.oid = p.part AND c.relkind IN ('r', 'm', 'f')
JOIN pg_namespace AS n ON n.oid = c.relnamespace
ORDER BY p.root, c.oid
"""

INDEXES = f"""
WITH RECURSIVE {_OURS}, index_parts AS (
    SELECT x.indexrelid AS root, x.indexrelid AS part
    FROM pg_index AS x JOIN ours AS o ON o.oid = x.indrelid
    UNION ALL
    SELECT p.root, i.inhrelid FROM index_parts AS p JOIN pg_inherits AS i ON i.inhparent = p.part
), sizes AS (
    SELECT root, sum(coalesce(pg_relation_size(part), 0))::bigint AS bytes
    FROM index_parts GROUP BY root
), keys AS (
    SELECT x.indexrelid,
           array_agg(a.attname::text ORDER BY k.n) AS columns,
           array_agg(CASE WHEN x.indkey[k.n - 1] = 0
                     THEN pg_get_indexdef(x.indexrelid, k.n, false) END ORDER BY k.n)
               AS expressions,
           array_agg(((x.indoption[k.n - 1] & 1) = 1)::text ORDER BY k.n) AS descending,
           array_agg(((x.indoption[k.n - 1] & 2) = 2)::text ORDER BY k.n) AS nulls_first,
           bool_and(oc.opcdefault AND CASE WHEN a.attnum IS NULL
                        THEN NOT EXISTS (SELECT FROM pg_collation AS l WHERE NOT l.collisdeterministic
                                         AND l.oid = x.indcollation[k.n - 1])
                        ELSE x.indcollation[k.n - 1] IN (0, a.attcollation) END) AS plain
    FROM pg_index AS x
    JOIN ours AS o ON o.oid = x.indrelid
    CROSS JOIN LATERAL generate_series(1, x.indnkeyatts) AS k (n)
    JOIN pg_opclass AS oc ON oc.oid = x.indclass[k.n - 1]
    LEFT JOIN pg_attribute AS a ON a.attrelid = x.indrelid AND a.attnum = x.indkey[k.n - 1]
                               AND a.attnum <> 0
    GROUP BY x.indexrelid
)
SELECT x.indrelid AS table, x.indexrelid AS oid, c.relname::text AS name, k.columns, k.expressions,
       ARRAY(SELECT a.attname::text FROM generate_series(x.indnkeyatts, x.indnatts - 1) AS i (n)
             JOIN pg_attribute AS a ON a.attrelid = x.indrelid AND a.attnum = x.indkey[i.n]
             ORDER BY i.n) AS included, k.descending, k.nulls_first, k.plain, x.indisunique AS unique, x.indisprimary AS primary,
       x.indisvalid AND x.indisready AND x.indislive AS valid, x.indimmediate AS immediate, x.indisexclusion AND x.indisunique AS without_overlaps,
       am.amname::text AS method, pg_get_indexdef(x.indexrelid) AS definition,
       pg_get_expr(x.indpred, x.indrelid) AS predicate, s.bytes,
       {{nulls_not_distinct}} AS nulls_not_distinct, coalesce(con.conname::text, '') AS constraint
FROM pg_index AS x
JOIN keys AS k USING (indexrelid)
JOIN pg_class AS c ON c.oid = x.indexrelid
JOIN pg_am AS am ON am.oid = c.relam
JOIN sizes AS s ON s.root = x.indexrelid
LEFT JOIN pg_constraint AS con ON con.conindid = x.indexrelid AND con.contype IN ('p', 'u')
                              AND con.conrelid = x.indrelid
WHERE NOT x.indisexclusion OR x.indisprimary OR x.indisunique
ORDER BY x.indrelid, c.relname
"""

COLUMNS = f"""
WITH {_OURS}, collations AS MATERIALIZED (
    SELECT l.oid, quote_ident(n.nspname) || '.' || quote_ident(l.collname) AS name,
           l.collisdeterministic AS deterministic, l.collprovider = 'd' AS usual,
           coalesce(CASE WHEN l.collprovider = 'd' THEN {{default_collation}}
                    ELSE pg_collation_actual_version(l.oid) END, '') AS version
    FROM pg_collation AS l JOIN pg_namespace AS n ON n.oid = l.collnamespace
    WHERE l.oid IN (SELECT a.attcollation FROM pg_attribute AS a JOIN ours AS o ON o.oid = a.attrelid)
)
SELECT a.attrelid AS table, a.attname::text AS name, a.attnum::int AS number, a.atttypid AS type,
       a.atttypmod AS modifier, format_type(a.atttypid, a.atttypmod) AS formatted,
       {{not_null}} AS not_null, pg_get_expr(d.adbin, d.adrelid) AS expression,
       a.attidentity::text AS identity, a.attgenerated::text AS generated,
       a.attgenerated = 's' AND EXISTS (
           SELECT FROM pg_partition_tree(a.attrelid) AS part
           JOIN pg_attribute AS pa ON pa.attrelid = part.relid AND pa.attname = a.attname
           LEFT JOIN pg_attrdef AS pd ON pd.adrelid = pa.attrelid AND pd.adnum = pa.attnum
           WHERE part.isleaf
             AND pg_get_expr(pd.adbin, pd.adrelid) IS DISTINCT FROM pg_get_expr(d.adbin, d.adrelid)
       ) AS generated_apart,
       CASE WHEN a.attcollation = t.typcollation AND (t.typtype <> 'd' OR l.usual) THEN ''
            ELSE coalesce(l.name, '') END AS collation,
       coalesce(l.version, '') AS collation_version,
       coalesce(l.deterministic, true) AS deterministic, coalesce(cd.description, '') AS comment
FROM pg_attribute AS a
JOIN ours AS o ON o.oid = a.attrelid
JOIN pg_type AS t ON t.oid = a.atttypid
LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
LEFT JOIN collations AS l ON l.oid = a.attcollation
LEFT JOIN pg_description AS cd
       ON cd.objoid = a.attrelid AND cd.classoid = 'pg_class'::regclass AND cd.objsubid = a.attnum
WHERE a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attrelid, a.attnum
"""

TYPES = """
WITH RECURSIVE used AS (
    SELECT DISTINCT wanted.oid FROM unnest($1::oid[]) AS wanted (oid)
    UNION
    SELECT below.oid
    FROM used AS u JOIN pg_type AS t ON t.oid = u.oid
    CROSS JOIN LATERAL (
        SELECT CASE t.typtype WHEN 'd' THEN t.typbasetype ELSE t.typelem END
        WHERE t.typtype = 'd' OR (t.typcategory = 'A' AND t.typelem <> 0)
        UNION ALL
        SELECT r.rngsubtype FROM pg_range AS r WHERE r.rngtypid = t.oid{of_multirange}
        UNION ALL
        SELECT a.atttypid FROM pg_attribute AS a
        WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
    ) AS below (oid)
)
SELECT t.oid, n.nspname::text AS schema, t.typname::text AS name, t.typtype::text AS type,
       CASE WHEN t.typtype = 'd' THEN t.typbasetype
            WHEN t.typcategory = 'A' THEN t.typelem
            ELSE coalesce((SELECT r.rngsubtype FROM pg_range AS r WHERE r.rngtypid = t.oid),
                          {range_of}, 0::oid) END AS inner,
       t.typtypmod AS base_modifier, t.typnotnull AS not_null, pg_get_expr(t.typdefaultbin, 0) AS default,
       quote_ident(pn.nspname) || '.' || quote_ident(p.proname) AS output,
       ARRAY(SELECT e.enumlabel::text FROM pg_enum AS e WHERE e.enumtypid = t.oid
             ORDER BY e.enumsortorder) AS labels,
       ARRAY(SELECT a.attname::text {fields}) AS field_names,
       ARRAY(SELECT a.atttypid {fields}) AS field_types,
       ARRAY(SELECT a.atttypmod::text {fields}) AS field_modifiers,
       coalesce((SELECT x.extname::text FROM pg_depend AS d JOIN pg_extension AS x ON x.oid = d.refobjid
                 WHERE d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e'
                   AND d.refclassid = 'pg_extension'::regclass), '') AS extension,
       ARRAY(SELECT ct.typname::text FROM {own_casts} AND k.castmethod = 'f' ORDER BY 1) AS casts,
       EXISTS (SELECT FROM {own_casts} AND k.castcontext = 'i') AS changes_form
FROM used AS u
JOIN pg_type AS t ON t.oid = u.oid
JOIN pg_namespace AS n ON n.oid = t.typnamespace
JOIN pg_proc AS p ON p.oid = t.typoutput
JOIN pg_namespace AS pn ON pn.oid = p.pronamespace
"""

_FIELDS = """FROM pg_attribute AS a WHERE t.typtype = 'c' AND a.attrelid = t.typrelid
             AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"""

_OWN_CASTS = """pg_cast AS k JOIN pg_type AS ct ON ct.oid = k.casttarget
             WHERE k.castsource = t.oid AND k.oid >= 16384 AND NOT EXISTS (
                 SELECT FROM pg_depend AS d
                 WHERE d.classid = 'pg_cast'::regclass AND d.objid = k.oid AND d.deptype = 'e')"""

DOMAIN_CHECKS = """
SELECT c.contypid AS type, c.conname::text AS name, pg_get_constraintdef(c.oid) AS definition,
       c.convalidated AS validated
FROM pg_constraint AS c
WHERE c.contype = 'c' AND c.contypid = ANY ($1::oid[])
ORDER BY c.contypid, c.conname
"""

FORMATTED = """
SELECT u.type, u.modifier, format_type(u.type, u.modifier) AS formatted
FROM unnest($1::oid[], $2::text[]::int[]) AS u (type, modifier)
"""

CONSTRAINTS = f"""
WITH {_OURS}
SELECT c.conrelid AS table, c.contype::text AS kind, c.conname::text AS name,
       pg_get_constraintdef(c.oid) AS definition, c.convalidated AS validated, {{enforced}} AS enforced,
       c.condeferrable AS deferrable, c.condeferred AS deferred,
       c.confdeltype::text AS on_delete, c.confupdtype::text AS on_update,
       c.confmatchtype::text AS match, coalesce(pn.nspname::text, '') AS parent_schema,
       coalesce(p.relname::text, '') AS parent_name,
       ARRAY(SELECT a.attname::text FROM unnest(c.conkey) WITH ORDINALITY AS k (number, n)
             JOIN pg_attribute AS a ON a.attrelid = c.conrelid AND a.attnum = k.number
             ORDER BY k.n) AS columns,
       ARRAY(SELECT a.attname::text FROM unnest(c.confkey) WITH ORDINALITY AS k (number, n)
             JOIN pg_attribute AS a ON a.attrelid = c.confrelid AND a.attnum = k.number
             ORDER BY k.n) AS parent_columns,
       {{set_columns}} AS set_columns, {{period}} AS period
FROM pg_constraint AS c
JOIN ours AS o ON o.oid = c.conrelid
LEFT JOIN pg_class AS p ON p.oid = c.confrelid
LEFT JOIN pg_namespace AS pn ON pn.oid = p.relnamespace
WHERE c.contype IN ('c', 'x') OR (c.contype = 'f' AND c.conparentid = 0)
   OR (c.contype = 'n' AND NOT c.convalidated)
ORDER BY c.conrelid, c.conname
"""

DATABASE = """
SELECT current_database()::text AS database, d.oid AS oid,
       current_setting('server_version_num')::int AS version,
       pg_encoding_to_char(d.encoding)::text AS encoding, pg_is_in_recovery() AS standby,
       current_user::text AS user,
       coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale', d.datcollate::text) AS collation,
       has_function_privilege('pg_control_system()', 'EXECUTE')
           AND has_function_privilege('pg_control_checkpoint()', 'EXECUTE') AS may_look
FROM pg_database AS d WHERE d.datname = current_database()
"""

CONTROL = """
SELECT s.system_identifier::text AS system_identifier,
       CASE WHEN pg_is_in_recovery() THEN c.timeline_id
            ELSE ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int
       END AS timeline
FROM pg_control_system() AS s, pg_control_checkpoint() AS c
"""


def indexes(version: int) -> str:
    """INDEXES for a server of `version` (server_version_num)."""
    has = version >= NULLS_NOT_DISTINCT
    return INDEXES.format(nulls_not_distinct="x.indnullsnotdistinct" if has else "false")


def columns(version: int) -> str:
    """COLUMNS for a server of `version`: a NOT NULL that isn't valid yet promises nothing."""
    not_null = "a.attnotnull"
    if version >= NOT_NULL_CONSTRAINTS:
        not_null = """(a.attnotnull AND NOT EXISTS (
           SELECT FROM pg_constraint AS nn WHERE nn.conrelid = a.attrelid AND nn.contype = 'n'
              AND nn.conkey[1] = a.attnum AND NOT nn.convalidated))"""
    default = """(SELECT pg_database_collation_actual_version(db.oid) FROM pg_database AS db
                  WHERE db.datname = current_database())"""
    if version < DATABASE_COLLATION:
        default = """(SELECT max(pg_collation_actual_version(like_it.oid))
                  FROM pg_collation AS like_it JOIN pg_database AS db
                    ON db.datname = current_database() AND like_it.collcollate = db.datcollate
                  WHERE like_it.collprovider = 'c')"""
    return COLUMNS.format(not_null=not_null, default_collation=default)


def types(version: int) -> str:
    """TYPES for a server of `version`."""
    has = version >= MULTIRANGES
    return TYPES.format(
        fields=_FIELDS,
        own_casts=_OWN_CASTS,
        range_of="(SELECT r.rngtypid FROM pg_range AS r WHERE r.rngmultitypid = t.oid)"
        if has
        else "NULL",
        of_multirange="""
        UNION ALL
        SELECT r.rngtypid FROM pg_range AS r WHERE r.rngmultitypid = t.oid"""
        if has
        else "",
    )


def constraints(version: int) -> str:
    """CONSTRAINTS for a server of `version`."""
    has = """ARRAY(SELECT a.attname::text FROM unnest(c.confdelsetcols) AS k (number)
             JOIN pg_attribute AS a ON a.attrelid = c.conrelid AND a.attnum = k.number)"""
    return CONSTRAINTS.format(
        set_columns=has if version >= NULLS_NOT_DISTINCT else "ARRAY[]::text[]",
        period="c.conperiod" if version >= PERIODS else "false",
        enforced="c.conenforced" if version >= ENFORCEMENT else "true",
    )
