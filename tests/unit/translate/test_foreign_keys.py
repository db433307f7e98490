from dataclasses import replace

from streamer.model import (
    ColumnOptions,
    ForeignKeyAction,
    Mask,
    PgType,
    Shaping,
    Storage,
    TableOptions,
    TypeOptions,
)
from streamer.plan import PlanOptions
from tests.engines.catalogs import (
    BPCHAR,
    CITEXT,
    FLOAT8,
    INT4,
    NUMERIC,
    TEXT,
    base,
    column,
    identified,
    index,
    numeric,
    plan_of,
    primary,
    refers,
    said,
    table,
)


def shaped(asked: dict[str, TableOptions], *, types: TypeOptions | None = None) -> PlanOptions:
    return PlanOptions(shaping=Shaping(types=types or TypeOptions(), tables=asked))


def masked(name: str, mask: Mask) -> TableOptions:
    return TableOptions(column={name: ColumnOptions(mask=mask)})


def parent_of(kind: PgType, name: str = "p"):
    return table(name, column("k", kind, not_null=True), indexes=[primary("k")])


def child_of(kind: PgType, name: str = "c"):
    return identified(name, column("ref", kind), keys=[refers("fk", "ref", "p", "k")])


def storages(*tables, name: str) -> dict[str, Storage]:
    found = next(t for t in plan_of(*tables).tables if t.target == name)
    return {c.target: c.storage for c in found.columns}


def test_a_foreign_key_is_kept_with_its_actions():
    key = replace(
        refers("fk", "ref", "p"),
        on_delete=ForeignKeyAction.CASCADE,
        on_update=ForeignKeyAction.SET_NULL,
        deferrable=True,
        initially_deferred=True,
    )

    plan = plan_of(identified("p"), identified("c", column("ref", INT4), keys=[key]))

    assert plan.tables[1].create_sql.splitlines()[-2] == (
        '  FOREIGN KEY ("ref") REFERENCES "p" ("id") ON DELETE CASCADE ON UPDATE SET NULL'
        " DEFERRABLE INITIALLY DEFERRED"
    )
    assert not plan.findings


def test_a_foreign_key_to_a_table_that_is_not_moved_is_left_out_with_a_warning():
    child = identified("c", column("ref", INT4), keys=[refers("fk", "ref", "elsewhere")])

    plan = plan_of(child)

    assert not plan.tables[0].foreign_keys
    assert "REFERENCES" not in plan.tables[0].create_sql
    assert "public.c.fk: the foreign key to public.elsewhere is left out" in said(plan.warnings)


def test_a_foreign_key_to_a_table_that_the_target_holds_is_kept():
    refused = identified("P", column("x", base("pg_node_tree")))
    child = identified("c", column("ref", INT4), keys=[refers("fk", "ref", "P")])

    plan = plan_of(refused, child, options=PlanOptions(existing_parents=frozenset({"p"})))

    assert 'REFERENCES "P" ("id")' in plan.tables[0].create_sql
    assert plan.tables[0].parents == ()


def test_a_foreign_key_that_was_never_validated_is_left_out():
    key = replace(refers("fk", "ref", "p"), validated=False)

    plan = plan_of(identified("p"), identified("c", column("ref", INT4), keys=[key]))

    assert "NOT VALID" in said(plan.warnings)
    assert not plan.tables[1].foreign_keys


def test_a_foreign_key_that_the_user_gives_up_is_left_out():
    tables = [parent_of(INT4), child_of(INT4)]

    plan = plan_of(*tables, options=PlanOptions(left_out=frozenset({"public.c.fk"})))

    assert not any(t.foreign_keys for t in plan.tables)


def test_where_equal_values_may_be_spelled_differently_no_foreign_key_is_kept():
    for child, parent in (
        (base("interval"), base("interval")),
        (base("timestamp"), base("timestamptz")),
        (base("float4"), FLOAT8),
        (TEXT, BPCHAR),
    ):
        plan = plan_of(parent_of(parent), child_of(child))
        assert "stored differently" in said(plan.warnings)


def test_types_that_are_stored_alike_keep_their_foreign_keys():
    for child, parent in ((INT4, NUMERIC), (BPCHAR, TEXT), (INT4, FLOAT8), (CITEXT, CITEXT)):
        plan = plan_of(parent_of(parent), child_of(child))
        assert [len(t.foreign_keys) for t in plan.tables] == [0, 1]


def test_both_sides_of_a_numeric_foreign_key_are_text_if_one_must_be():
    tables = [parent_of(numeric(20, 4)), child_of(numeric(10, 2))]

    assert storages(*tables, name="c")["ref"] is Storage.TEXT
    assert storages(*tables, name="p")["k"] is Storage.TEXT
    plan = plan_of(*tables)
    reads = [c.read_sql for t in plan.tables for c in t.columns if c.type_name != "integer"]
    assert reads == ['trim_scale(t."k")::text', 'trim_scale(t."ref")::text']


def test_numbers_that_all_survive_a_double_stay_numbers():
    tables = [parent_of(numeric(12, 4)), child_of(numeric(10, 2))]

    assert storages(*tables, name="c")["ref"] is Storage.REAL


def test_what_a_kept_foreign_key_does_differently_is_told():
    key = replace(
        refers("fk", ["a", "b"], "p", ["a", "b"]),
        match_full=True,
        on_delete=ForeignKeyAction.SET_NULL,
        set_columns=("a",),
        on_update=ForeignKeyAction.SET_DEFAULT,
    )
    columns = (column("a", INT4, not_null=True), column("b", INT4, not_null=True))
    parent = table("p", *columns, indexes=[primary("a", "b")])

    text = said(
        plan_of(parent, identified("c", column("a", INT4), column("b", INT4), keys=[key])).warnings
    )

    assert "MATCH FULL" in text
    assert "sets all of them" in text


def test_a_foreign_key_that_a_table_s_settings_give_up_is_left_out():
    asked = {"c": TableOptions(exclude_foreign_keys=("fk",))}

    plan = plan_of(parent_of(INT4), child_of(INT4), options=shaped(asked))

    assert not any(t.foreign_keys for t in plan.tables)
    assert "public.c.fk: the foreign key to public.p is left out: as asked" in said(plan.warnings)


def test_hashed_references_find_their_parents_where_both_sides_are_hashed():
    tables = [parent_of(TEXT), child_of(TEXT)]
    both = {"p": masked("k", "hash"), "c": masked("ref", "hash")}

    plan = plan_of(*tables, options=shaped(both))

    assert [len(t.foreign_keys) for t in plan.tables] == [0, 1]
    assert [t.hides_key for t in plan.tables] == [True, False]
    for one in ({"p": masked("k", "hash")}, {"c": masked("ref", "hash")}):
        plan = plan_of(*tables, options=shaped(one))
        assert not any(t.foreign_keys for t in plan.tables)
        assert "the same mask for public.c.ref and public.p.k" in said(plan.warnings)


def test_references_that_a_mask_makes_null_are_none_and_keep_their_foreign_key():
    asked = {"c": masked("ref", "null"), "p": masked("k", "hash")}

    plan = plan_of(parent_of(TEXT), child_of(TEXT), options=shaped(asked))

    assert [len(t.foreign_keys) for t in plan.tables] == [0, 1]


def test_a_foreign_key_needs_its_parent_s_key_in_the_target():
    code = index("u", "code", unique=True)
    parent = identified("p", column("code", TEXT), indexes=[code])
    child = identified("c", column("ref", TEXT), keys=[refers("fk", "ref", "p", "code")])

    for asked in (masked("code", "redact"), TableOptions(exclude_columns=("code",))):
        plan = plan_of(parent, child, options=shaped({"p": asked}))
        assert not any(t.foreign_keys for t in plan.tables)
        assert "code of public.p is no key in D1 any more" in said(plan.warnings)


def test_options_that_store_both_sides_of_a_foreign_key_differently_let_go_of_it():
    real = TableOptions(column={"ref": ColumnOptions(types={"numeric": "real"})})
    tables = [parent_of(NUMERIC), child_of(NUMERIC)]

    plan = plan_of(*tables, options=shaped({"c": real}))

    assert not any(t.foreign_keys for t in plan.tables)
    assert "stored differently" in said(plan.warnings)
    assert "the same options" in said(plan.warnings)
    whole = plan_of(*tables, options=shaped({}, types=TypeOptions(numeric="real")))
    assert [len(t.foreign_keys) for t in whole.tables] == [0, 1]


def test_texts_that_a_collation_takes_for_equal_are_no_reference():
    loose = column("k", TEXT, not_null=True)
    parent = table("p", replace(loose, deterministic=False), indexes=[primary("k")])

    plan = plan_of(parent, child_of(TEXT))

    assert not any(t.foreign_keys for t in plan.tables)
    assert "stored differently" in said(plan.warnings)


def test_references_in_another_case_than_their_parent_are_pointed_out():
    plan = plan_of(parent_of(CITEXT), child_of(CITEXT))

    assert "ignores the case of ASCII letters alone" in said(plan.warnings)
