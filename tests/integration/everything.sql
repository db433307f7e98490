-- A table or two for each thing that a schema can hold beside columns and keys.
CREATE SCHEMA shop;
CREATE TYPE shop.size AS ENUM ('small', 'large', 'it''s');
CREATE DOMAIN shop.positive AS integer CHECK (VALUE > 0);
CREATE DOMAIN shop.quantity AS shop.positive NOT NULL DEFAULT 1 CONSTRAINT handful CHECK (VALUE < 100);
CREATE SEQUENCE shop.tickets START 500 INCREMENT 10;
CREATE TABLE shop.country (
    code char(2) PRIMARY KEY CONSTRAINT two_letters CHECK (length(code) = 2),
    name text NOT NULL UNIQUE,
    CONSTRAINT upper_case CHECK (code ~ '^[A-Z]+$')
);
COMMENT ON TABLE shop.country IS E'Where things\ncome from; -- "really" */';
COMMENT ON COLUMN shop.country.code IS 'ISO 3166';
CREATE TABLE shop.product (
    id bigint GENERATED ALWAYS AS IDENTITY (START WITH 100) PRIMARY KEY,
    name text NOT NULL,
    size shop.size NOT NULL DEFAULT 'small',
    price numeric(10, 2) NOT NULL DEFAULT 9.90 CHECK (price >= 0),
    cost integer DEFAULT 3,
    count shop.quantity,
    double_cost integer GENERATED ALWAYS AS (cost * 2) STORED,
    words tsvector GENERATED ALWAYS AS (to_tsvector('english'::regconfig, name)) STORED,
    origin char(2) DEFAULT 'CH' REFERENCES shop.country ON DELETE SET DEFAULT,
    ticket integer DEFAULT nextval('shop.tickets'),
    uid uuid DEFAULT gen_random_uuid(),
    made timestamptz NOT NULL DEFAULT now(),
    tags text[] DEFAULT '{}',
    digest text DEFAULT md5('a'),
    sold boolean NOT NULL DEFAULT false,
    parent bigint REFERENCES shop.product,
    CONSTRAINT cheap CHECK (cost < 1000 OR sold),
    CONSTRAINT no_own_parent CHECK (parent IS NULL OR parent <> id)
);
CREATE INDEX unsold ON shop.product (price) WHERE NOT sold;
CREATE UNIQUE INDEX one_name ON shop.product (lower(name)) INCLUDE (price);
CREATE INDEX by_words ON shop.product USING gin (words);
CREATE INDEX by_cost ON shop.product (double_cost DESC NULLS LAST);
CREATE TABLE shop.stock (
    product bigint REFERENCES shop.product ON DELETE CASCADE,
    place text DEFAULT 'here',
    amount integer NOT NULL DEFAULT 0,
    PRIMARY KEY (place, product),
    EXCLUDE USING btree (amount WITH =)
);
ALTER TABLE shop.stock ADD CONSTRAINT enough CHECK (amount > 5) NOT VALID;
CREATE TABLE shop.log (at date NOT NULL, note text) PARTITION BY RANGE (at);
CREATE TABLE shop.log_all PARTITION OF shop.log DEFAULT;
CREATE VIEW shop.unsold_products AS SELECT id, name FROM shop.product WHERE NOT sold;
CREATE VIEW shop.unsold_names AS SELECT name FROM shop.unsold_products;
CREATE FUNCTION shop.touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER touched BEFORE UPDATE ON shop.stock FOR EACH ROW EXECUTE FUNCTION shop.touch();
CREATE RULE nothing AS ON DELETE TO shop.log DO INSTEAD NOTHING;
INSERT INTO shop.country VALUES ('CH', 'Switzerland'), ('KE', 'Kenya');
INSERT INTO shop.product (name, size, cost, parent, sold, origin) VALUES
    ('One', 'large', 7, NULL, false, 'KE'), ('Two', 'it''s', NULL, 100, true, NULL);
INSERT INTO shop.stock VALUES (100, 'here', 7), (101, 'there', 8);
INSERT INTO shop.log VALUES ('2024-01-01', 'x');
