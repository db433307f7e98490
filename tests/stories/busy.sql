-- Many small tables of every way of loading, some of which a writer changes while they are copied.
-- In those, rows whose id is a multiple of 3 are never touched, and v counts a row's changes.
CREATE TABLE account (id int PRIMARY KEY, owner text NOT NULL, balance int NOT NULL, v int NOT NULL);
INSERT INTO account SELECT n, 'owner ' || n, 1000, 0 FROM generate_series(1, 300) AS n;
CREATE TABLE vault (id text PRIMARY KEY, balance int NOT NULL, v int NOT NULL);
INSERT INTO vault SELECT 'v' || n, 1000, 0 FROM generate_series(1, 60) AS n;

CREATE TABLE parent (id int PRIMARY KEY, name text NOT NULL, v int NOT NULL);
INSERT INTO parent SELECT n, repeat('p', n % 20), 0 FROM generate_series(1, 200) AS n;
CREATE TABLE child (id int PRIMARY KEY, parent int NOT NULL REFERENCES parent, v int NOT NULL);
CREATE INDEX child_parent ON child (parent);
INSERT INTO child SELECT n, 1 + n % 200, 0 FROM generate_series(1, 400) AS n;
CREATE TABLE grandchild (id int PRIMARY KEY, child int REFERENCES child, v int NOT NULL);
INSERT INTO grandchild SELECT n, nullif(1 + n % 401, 401), 0 FROM generate_series(1, 300) AS n;

-- References to itself, and a cycle that may hold NULLs: two passes.
CREATE TABLE employee (id int PRIMARY KEY, boss int REFERENCES employee, v int NOT NULL);
INSERT INTO employee SELECT n, nullif(n * 7 % 150, n), 0 FROM generate_series(0, 149) AS n;
CREATE TABLE store (id int PRIMARY KEY, manager int, v int NOT NULL);
CREATE TABLE staff (id int PRIMARY KEY, store int NOT NULL REFERENCES store, v int NOT NULL);
INSERT INTO store SELECT n, NULL, 0 FROM generate_series(1, 40) AS n;
INSERT INTO staff SELECT n, 1 + n % 40, 0 FROM generate_series(1, 120) AS n;
UPDATE store SET manager = id + 40;
ALTER TABLE store ADD FOREIGN KEY (manager) REFERENCES staff;

-- A cycle that may not: staged, and published at the end.
CREATE TABLE chicken (id int PRIMARY KEY, egg int NOT NULL, v int NOT NULL);
CREATE TABLE egg (id int PRIMARY KEY, chicken int NOT NULL, v int NOT NULL);
INSERT INTO chicken SELECT n, 101 - n, 0 FROM generate_series(1, 100) AS n;
INSERT INTO egg SELECT n, n, 0 FROM generate_series(1, 100) AS n;
ALTER TABLE chicken ADD FOREIGN KEY (egg) REFERENCES egg DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE egg ADD FOREIGN KEY (chicken) REFERENCES chicken DEFERRABLE INITIALLY DEFERRED;
CREATE TABLE feather (id int PRIMARY KEY, chicken int NOT NULL REFERENCES chicken, v int NOT NULL);
INSERT INTO feather SELECT n, 1 + n % 100, 0 FROM generate_series(1, 300) AS n;

-- No primary key: a unique index, or nothing at all, with rows that are equal.
CREATE TABLE setting (name text NOT NULL, value text, v int NOT NULL);
CREATE UNIQUE INDEX setting_name ON setting (name);
INSERT INTO setting SELECT 'name ' || n, repeat('x', n % 30), 0 FROM generate_series(1, 150) AS n;
CREATE TABLE log (line text, v int NOT NULL);
INSERT INTO log SELECT 'line ' || n / 2, 0 FROM generate_series(1, 500) AS n;

-- Keys of all kinds that nobody writes to.
CREATE TABLE by_uuid (id uuid PRIMARY KEY, payload jsonb);
INSERT INTO by_uuid SELECT md5(n::text)::uuid, jsonb_build_object('n', n, 's', repeat('é"', n % 9))
FROM generate_series(1, 200) AS n;
CREATE TABLE by_several (b timestamptz, c numeric(20, 4), a text, v text, PRIMARY KEY (b, c, a));
INSERT INTO by_several SELECT timestamptz '2024-01-01' + (n % 20) * interval '0.5 s', n * 0.0001,
    md5(n::text), repeat('v', n % 90) FROM generate_series(1, 300) AS n;
CREATE TABLE by_bytes (id bytea PRIMARY KEY, big bigint, f double precision);
INSERT INTO by_bytes SELECT decode(md5(n::text), 'hex'), 9007199254740993 + n, n / 7.0
FROM generate_series(1, 150) AS n;
CREATE TABLE leafy (id int NOT NULL, region text NOT NULL, PRIMARY KEY (region, id))
PARTITION BY LIST (region);
CREATE TABLE leafy_n PARTITION OF leafy FOR VALUES IN ('north');
CREATE TABLE leafy_s PARTITION OF leafy FOR VALUES IN ('south', 'east');
INSERT INTO leafy SELECT n, (ARRAY['north', 'south', 'east'])[1 + n % 3]
FROM generate_series(1, 240) AS n;
CREATE TABLE heap (at timestamp, line text, n numeric) PARTITION BY RANGE (at);
CREATE TABLE heap_a PARTITION OF heap FOR VALUES FROM ('2024-01-01') TO ('2024-01-02');
CREATE TABLE heap_b PARTITION OF heap DEFAULT;
INSERT INTO heap SELECT timestamp '2024-01-01 23:59' + (n / 2) * interval '1 s', 'same', n / 2
FROM generate_series(1, 240) AS n;
CREATE TABLE nothing (id int PRIMARY KEY);
CREATE TABLE few (id int PRIMARY KEY, at timestamptz);
INSERT INTO few VALUES (1, now()), (2, NULL);
