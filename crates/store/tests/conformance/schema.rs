//! The schemas of the two databases after all migrations.

use std::collections::BTreeSet;

use crate::lab::Lab;

/// The lines that only one database has, and the reason for each.
const DIFFERENCES: &[(&str, &str)] = &[];

/// Lists columns with type and nullability, keys, and indices with their columns. SQLite permits
/// NULL in primary keys unless declared otherwise.
const OF_SQLITE: &str = r#"
    WITH tables AS (
        SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name NOT LIKE '%sqlx%'
    )
    SELECT t.name || '.' || c.name || ' ' || CASE c.type WHEN 'INTEGER' THEN 'BIGINT' ELSE c.type END
           || CASE c."notnull" WHEN 1 THEN ' NOT NULL' ELSE '' END
    FROM tables t, pragma_table_info(t.name) c
    UNION ALL
    SELECT t.name || ': primary key (' || group_concat(c.name, ', ' ORDER BY c.pk) || ')'
    FROM tables t, pragma_table_info(t.name) c WHERE c.pk > 0 GROUP BY t.name
    UNION ALL
    SELECT t.name || ': ' || CASE l."unique" WHEN 1 THEN 'unique ' ELSE '' END
           || CASE l.origin WHEN 'c' THEN 'index ' || l.name ELSE 'key' END
           || ' (' || (SELECT group_concat(coalesce(i.name, 'expression'), ', ' ORDER BY i.seqno)
                       FROM pragma_index_info(l.name) i) || ')'
           || CASE l.partial WHEN 1 THEN ' partial' ELSE '' END
    FROM tables t, pragma_index_list(t.name) l WHERE l.origin <> 'pk'
"#;
const OF_POSTGRESQL: &str = r"
    SELECT table_name || '.' || column_name || ' '
           || CASE data_type WHEN 'bytea' THEN 'BLOB' ELSE upper(data_type) END
           || CASE is_nullable WHEN 'NO' THEN ' NOT NULL' ELSE '' END
    FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name)
    WHERE table_schema = 'public' AND table_type = 'BASE TABLE' AND table_name NOT LIKE '%sqlx%'
    UNION ALL
    SELECT t.relname || ': '
           || CASE WHEN x.indisprimary THEN 'primary key'
                   ELSE CASE WHEN x.indisunique THEN 'unique ' ELSE '' END
                        || CASE WHEN k.oid IS NULL THEN 'index ' || i.relname ELSE 'key' END END
           || ' (' || (SELECT string_agg(coalesce(a.attname, 'expression'), ', ' ORDER BY c.n)
                       FROM unnest(x.indkey::int2[]) WITH ORDINALITY c (attnum, n)
                       LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = c.attnum AND a.attnum > 0) || ')'
           || CASE WHEN x.indpred IS NULL THEN '' ELSE ' partial' END
    FROM pg_index x
    JOIN pg_class t ON t.oid = x.indrelid
    JOIN pg_class i ON i.oid = x.indexrelid
    JOIN pg_namespace s ON s.oid = t.relnamespace
    LEFT JOIN pg_constraint k ON k.conindid = x.indexrelid AND k.contype IN ('p', 'u')
    WHERE s.nspname = 'public' AND t.relname NOT LIKE '%sqlx%'
";

#[tokio::test]
async fn both_schemas_have_the_same_tables_columns_and_indices() {
    let (sqlite, postgres) = tokio::join!(Lab::on_sqlite(), Lab::on_postgresql());
    let sqlite: BTreeSet<String> = sqlite.texts(OF_SQLITE).await.into_iter().collect();
    let postgres: BTreeSet<String> = postgres.texts(OF_POSTGRESQL).await.into_iter().collect();
    assert!(sqlite.len() > 150, "{sqlite:#?}");
    for kind in [" BIGINT", " TEXT NOT NULL", " BLOB", " BOOLEAN", ": primary key (", ": index ", " partial"]
    {
        assert!(sqlite.iter().any(|line| line.contains(kind)), "no line has {kind:?}: {sqlite:#?}");
    }
    let found: BTreeSet<String> = sqlite
        .difference(&postgres)
        .map(|line| format!("SQLite: {line}"))
        .chain(postgres.difference(&sqlite).map(|line| format!("PostgreSQL: {line}")))
        .collect();
    let expected: BTreeSet<String> = DIFFERENCES.iter().map(|(line, _)| (*line).to_owned()).collect();
    assert_eq!(found, expected);
}
