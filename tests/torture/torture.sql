-- A source database that holds every trap there is between PostgreSQL (12 to 18) and D1.
-- Pure SQL (no psql meta commands, no COPY FROM stdin, no random()): psql -v ON_ERROR_STOP=1 -f, or one execute().
-- Needs: UTF8 database, superuser (extensions, one role).  What each cell becomes: expected.py
SET client_encoding = 'UTF8';
SET TimeZone = 'America/New_York';          -- on purpose NOT UTC: trusting the session zone is caught
SET DateStyle = 'ISO, MDY';
SET standard_conforming_strings = on;
SET search_path = public;

------------------------------------------------------------------ 1. integers
CREATE TABLE t_ints (id int PRIMARY KEY, a smallint, b integer, c bigint);
INSERT INTO t_ints VALUES
 (1, -32768, -2147483648, -9223372036854775808),
 (2,  32767,  2147483647,  9223372036854775807),
 (3,      0,           0,  0),
 (4,     -1,          -1, -1),
 (5,   NULL,        NULL, NULL),
 (6,      1,           1,  9007199254740991),
 (7,      1,           1,  9007199254740992),
 (8,      1,           1,  9007199254740993),
 (9,      1,           1, -9007199254740993),
 (10,     1,           1,  1234567890123456789);

-- keys that become equal as IEEE doubles: a JSON/JS path loses a row or breaks UNIQUE
CREATE TABLE t_bigpk (id bigint PRIMARY KEY, note text NOT NULL);
INSERT INTO t_bigpk VALUES (9007199254740992,'2^53'),(9007199254740993,'2^53+1'),(9007199254740994,'2^53+2'),
 (9223372036854775806,'max-1'),(9223372036854775807,'max'),(-9223372036854775808,'min'),(0,'zero');
CREATE TABLE t_bigfk (id int PRIMARY KEY, ref bigint REFERENCES t_bigpk(id));
INSERT INTO t_bigfk VALUES (1,9007199254740993),(2,9223372036854775807),(3,NULL),(4,-9223372036854775808);

------------------------------------------------------------------ 2. numeric, money
CREATE TABLE t_numeric (id int PRIMARY KEY, n numeric, n102 numeric(10,2), n150 numeric(15,0), n180 numeric(18,0),
                        n3810 numeric(38,10), nneg numeric(5,-2), nfrac numeric(3,5));
INSERT INTO t_numeric VALUES
 (1, 0.1, 0.10, 999999999999999, 999999999999999999, 1234567890123456789012345678.0123456789, 123456, 0.00123),
 (2, 1.50, 10.50, 0, 0, 0, 0, 0),
 (3, 'NaN', 'NaN', 'NaN', 'NaN', 'NaN', 'NaN', 'NaN'),
 (4, 'Infinity', NULL, NULL, NULL, NULL, NULL, NULL),
 (5, '-Infinity', NULL, NULL, NULL, NULL, NULL, NULL),
 (6, (repeat('9',600)||'.'||repeat('7',400))::numeric, -99999999.99, -999999999999999, -999999999999999999, -0.0000000001, -9900, -0.00999),
 (7, ('1'||repeat('0',60))::numeric, 0.01, 1, 9007199254740993, 9007199254740993.0000000001, 100, 0.00001),
 (8, ('0.'||repeat('0',59)||'1')::numeric, 99999999.99, 123456789012345, 123456789012345678, 0.3333333333, 99900, NULL),
 (9, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
 (10, 0, -0.0, -0, 0, 0.0000000000, -0, 0.0),
 (11, 12345678901234567.89, 8.10, 5, 5, 5, 500, 0.005),
 (12, 2.00, 2.00, 2, 2, 2, 200, 0.002);
-- numeric as a key: 1.0 = 1.00 in PostgreSQL, but not as text
CREATE TABLE t_numkey (k numeric(20,4) PRIMARY KEY, v text);
INSERT INTO t_numkey VALUES (1,'one'),(1.0001,'one and a bit'),(1234567890123456.7891,'big'),(-1,'neg');
CREATE TABLE t_money (id int PRIMARY KEY, m money);
INSERT INTO t_money VALUES (1, 0::money),(2, 1234.56::numeric::money),(3,(-92233720368547758.08)::numeric::money),(4, 92233720368547758.07::numeric::money),(5,NULL),(6,0.1::numeric::money);

------------------------------------------------------------------ 3. floats
CREATE TABLE t_floats (id int PRIMARY KEY, f4 real, f8 double precision);
INSERT INTO t_floats VALUES
 (1, 0.1, 0.1), (2, 'NaN','NaN'), (3,'Infinity','Infinity'), (4,'-Infinity','-Infinity'), (5, -0.0::real, '-0'::float8),
 (6, 3.4028235e38, 1.7976931348623157e308), (7, 1e-45, 5e-324), (8, 16777216, 9007199254740993::float8),
 (9, 1.1754944e-38, 2.2250738585072014e-308), (10, 0.33333334, 0.1::float8 + 0.2::float8), (11, 1e10, 1e22), (12, 123456.79, 1e23),
 (13, -1.5, 123456789.12345679), (14, 2, 3), (15, NULL, NULL), (16, 1e-5, 7.654927133881691e-231), (17, 100, 2.2790121708605243e+274);
CREATE TABLE t_float_nn (id int PRIMARY KEY, f double precision NOT NULL);       -- NaN + NOT NULL
INSERT INTO t_float_nn VALUES (1,1.25),(2,'NaN'),(3,'-Infinity');

------------------------------------------------------------------ 4. booleans
CREATE TABLE t_bool (id int PRIMARY KEY, b boolean, bn boolean NOT NULL DEFAULT false, bt boolean DEFAULT true);
INSERT INTO t_bool VALUES (1,true,true,true),(2,false,false,false),(3,NULL,true,NULL);

------------------------------------------------------------------ 5. text family
CREATE TABLE t_text (id int PRIMARY KEY, t text);
INSERT INTO t_text VALUES
 (1,''),(2,' '),(3,'  lead and trail  '),(4,E'tab\tnl\ncr\rcrlf\r\nend'),(5,E'quote'' dquote" back\\slash bt` semi; dash-- /* c */'),
 (6,'?'),(7,'?1 ?2 :a @b $1 %s %(x)s {x} {{y}} ${z}'),(8,'NULL'),(9,'null'),(10,E'\\N'),(11,E'\\.'),
 (12,U&'\+01F468\200D\+01F469\200D\+01F467'),(13,U&'e\0301'),(14,U&'\00E9'),(15,U&'\FEFFbom'),(16,E'\u0001\u0002\u001F\u007F'),
 (17,U&'\2028\2029\0085'),(18,U&'\FFFE\FFFF'),(19,U&'\+10FFFF'),(20,U&'\202Eabc\202C'),(21,'0x10'),(22,'1e5'),(23,'007'),(24,' 12 '),(25,'9223372036854775808'),
 (26,'true'),(27,'1.0'),(28,'inf'),(29,'X''414243'''),(30,repeat('a',51)),(31,NULL),(32,'2024-01-01T00:00:00Z'),(33,'{"a":1}'),(34,'[]'),
 (35,U&'stra\00DFe'),(36,U&'\0130\0131'),(37,'Robert''); DROP TABLE t_text;--'),(38,E'a\\\'b'),(39,'='||chr(43)||'cmd'),(40,U&'\4E2D\6587\D55C\AE00');
CREATE TABLE t_char (id int PRIMARY KEY, c5 char(5), c1 char, v10 varchar(10), ch "char", nm name);
INSERT INTO t_char VALUES (1,'ab','x','ab','a','ab'),(2,'ab   ',' ','ab   ','Z','Ab C'),(3,'','','','','' ),(4,NULL,NULL,NULL,NULL,NULL),
 (5,' ab','7',' ab','1','x'),(6,'00123','0','00123','0','007'),(7,U&'\00E9\00E8',U&'\00E9',U&'\00E9\00E8',E'\\377'::"char",U&'\00E9');
CREATE TABLE t_charkey (k char(4) PRIMARY KEY, v int);
CREATE TABLE t_charfk (id int PRIMARY KEY, k char(4) REFERENCES t_charkey(k), k2 varchar(4));
INSERT INTO t_charkey VALUES ('a',1),('bb',2),('cccc',3); INSERT INTO t_charfk VALUES (1,'a','a'),(2,'bb  ','bb'),(3,'cccc','cccc'),(4,NULL,NULL);
-- text keys that a NUMERIC/INTEGER affinity column would merge
CREATE TABLE t_textkey (code varchar(10) PRIMARY KEY, v text);
INSERT INTO t_textkey VALUES ('1','a'),('01','b'),('1.0','c'),('1e0','d'),('+1','e'),(' 1','f'),('A','g'),('a','h'),(U&'\00E9','i'),(U&'e\0301','j');

------------------------------------------------------------------ 6. bytea, large values
CREATE TABLE t_bytea (id int PRIMARY KEY, b bytea);
INSERT INTO t_bytea VALUES (1,''),(2,'\x00'),(3,'\x000102feff'),(4,convert_to('123','UTF8')),(5,convert_to('plain text','UTF8')),(6,NULL),(7,'\xc3'),
 (8,(SELECT decode(string_agg(lpad(to_hex(i),2,'0'),'' ORDER BY i),'hex') FROM generate_series(0,255) i));
-- bigger than one SQL statement (100,000 bytes) but inside D1's 2,000,000-byte value/row limit
CREATE TABLE t_large (id int PRIMARY KEY, body text, bin bytea);
INSERT INTO t_large VALUES
 (1, repeat('x', 99990), NULL),
 (2, repeat('y', 150000), NULL),
 (3, repeat(U&'\00E9', 450000), NULL),                                             -- 900,000 bytes, 450,000 characters
 (4, repeat('''', 60000), NULL),                                                   -- doubles when quoted
 (5, NULL, decode(repeat('00ff80', 20000),'hex')),                                 -- 60,000 bytes
 (6, NULL, decode(repeat('deadbeef', 150000),'hex')),                              -- 600,000 bytes
 (7, repeat('z', 1900000), NULL),
 (8, repeat(U&'\+01F600', 30000), decode(repeat('0a', 200000),'hex'));

------------------------------------------------------------------ 7. uuid
CREATE TABLE t_uuid (id uuid PRIMARY KEY, u uuid);
INSERT INTO t_uuid VALUES ('A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11','{00000000-0000-0000-0000-000000000000}'),
 ('00000000-0000-0000-0000-000000000001',NULL),('ffffffff-ffff-ffff-ffff-ffffffffffff','12345678123456781234567812345678');

------------------------------------------------------------------ 8. dates and times
CREATE TABLE t_date (id int PRIMARY KEY, d date);
INSERT INTO t_date VALUES (1,'2024-02-29'),(2,'1970-01-01'),(3,'0001-01-01'),(4,'9999-12-31'),(5,'10000-01-01'),(6,'5874897-12-31'),
 (7,'0001-12-31 BC'),(8,'4713-01-01 BC'),(9,'infinity'),(10,'-infinity'),(11,NULL),(12,'1582-10-10');
CREATE TABLE t_ts (id int PRIMARY KEY, ts timestamp, ts0 timestamp(0), ts3 timestamp(3), tz timestamptz);
INSERT INTO t_ts VALUES
 (1,'2024-01-15 10:30:45','2024-01-15 10:30:45','2024-01-15 10:30:45','2024-01-15 10:30:45+00'),
 (2,'2024-01-15 10:30:45.123456','2024-01-15 10:30:45.5','2024-01-15 10:30:45.1235','2024-01-15 10:30:45.123456+05:30'),
 (3,'2024-01-15 10:30:45.5','2024-01-15 10:30:45.4','2024-01-15 10:30:45.5','2024-01-15 10:30:45.5-08'),
 (4,'2024-01-15 10:30:45.000001','2024-01-15 00:00:00','2024-01-15 10:30:45.001','2024-01-15 00:00:00.000001+00'),
 (5,'1969-12-31 23:59:59.999999','1969-12-31 23:59:59','1969-12-31 23:59:59.999','1969-12-31 19:00:00-05'),
 (6,'0001-01-01 00:00:00','0001-01-01 00:00:00','0001-01-01 00:00:00','0001-01-01 00:00:00+00'),
 (7,'9999-12-31 23:59:59.999999','9999-12-31 23:59:59','9999-12-31 23:59:59.999','9999-12-31 23:59:59.999999+00'),
 (8,'10000-01-01 00:00:00',NULL,NULL,'9999-12-31 23:00:00-05'),
 (9,'294276-12-31 23:59:59.999999',NULL,NULL,'294276-12-31 23:59:59.999999+00'),
 (10,'0044-03-15 12:00:00 BC',NULL,NULL,'0001-01-01 00:00:00+14'),
 (11,'4713-01-01 00:00:00 BC',NULL,NULL,'4713-01-01 00:00:00+00 BC'),
 (12,'infinity','infinity','infinity','infinity'),
 (13,'-infinity','-infinity','-infinity','-infinity'),
 (14,NULL,NULL,NULL,NULL),
 (15,'2024-03-10 02:30:00','2024-03-10 02:30:00','2024-03-10 02:30:00','2024-03-10 01:59:59-05'),
 (16,'2024-11-03 01:30:00','2024-11-03 01:30:00','2024-11-03 01:30:00','2024-11-03 01:30:00-04'),
 (17,'2024-11-03 01:30:00','2024-11-03 01:30:00','2024-11-03 01:30:00','2024-11-03 01:30:00-05'),
 (18,'1883-11-18 12:00:00','1883-11-18 12:00:00','1883-11-18 12:00:00','1883-11-18 12:03:58 America/New_York'),
 (19,'2016-12-31 23:59:60','2024-01-15 23:59:59.7','2024-01-15 23:59:59.9996','2016-12-31 23:59:60+00');
-- the key collides when truncated to whole seconds
CREATE TABLE t_tskey (at timestamptz PRIMARY KEY, v int);
INSERT INTO t_tskey VALUES ('2024-05-05 05:05:05.000001+00',1),('2024-05-05 05:05:05.000002+00',2),('2024-05-05 05:05:05+00',3),('infinity',4);
CREATE TABLE t_time (id int PRIMARY KEY, t time, t0 time(0), tz timetz);
INSERT INTO t_time VALUES (1,'00:00:00','00:00:00','00:00:00+00'),(2,'23:59:59.999999','23:59:59','23:59:59.999999-12'),(3,'24:00:00','24:00:00','24:00:00+00'),
 (4,'12:34:56.7','12:34:56.7','12:34:56.789+05:30'),(5,NULL,NULL,NULL),(6,'04:05','04:05','04:05:06-15:59:59');
CREATE TABLE t_interval (id int PRIMARY KEY, i interval);
INSERT INTO t_interval VALUES (1,'1 mon'),(2,'30 days'),(3,'720:00:00'),(4,'1 year 2 mons 3 days 04:05:06.789'),(5,'-1 mons +1 days -00:00:01'),
 (6,'0'),(7,'178000000 years'),(8,'00:00:00.000001'),(9,'-2147483648 days'),(10,NULL),(11,'2562047788:00:54.775807');

------------------------------------------------------------------ 9. json
CREATE TABLE t_json (id int PRIMARY KEY, j json, jb jsonb);
INSERT INTO t_json VALUES
 (1,'{"b":1, "a":2,  "b":3}','{"b":1, "a":2,  "b":3}'),
 (2,'null','null'),(3,NULL,NULL),(4,'""','""'),(5,'[]','{}'),(6,'true','false'),
 (7,'9007199254740993','9007199254740993'),(8,'12345678901234567890.123456789','12345678901234567890.123456789'),
 (9,'1e400','1e40'),(10,'-0','-0.0'),(11,'1.10','1.10'),(12,'"\u0000"','"\\u0000"'),(13,'"\ud83d\ude00 \u00e9"','"\ud83d\ude00 \u00e9"'),
 (14,'"\ud800"','"x"'),(15,E' { "k" : [ 1 , 2 ] } ',E' { "k" : [ 1 , 2 ] } '),(16,E'"line\\nbreak \\" quote"',E'"line\\nbreak \\" quote"'),
 (17,(repeat('[',900)||repeat(']',900))::json,(repeat('[',900)||repeat(']',900))::jsonb),
 (18,'{"":{"":[null]}}','{"":{"":[null]}}'),(19,('{"n":'||repeat('9',400)||'}')::json,('{"n":'||repeat('9',400)||'}')::jsonb),
 (20,'{"it''s":"?1 ; --"}','{"it''s":"?1 ; --"}');
-- deeper than SQLite's JSON parser (1000): the text must still arrive, json_valid() says 0
CREATE TABLE t_json_deep (id int PRIMARY KEY, j json);
INSERT INTO t_json_deep VALUES (1,(repeat('[',1500)||repeat(']',1500))::json);

------------------------------------------------------------------ 10. arrays, composites, enums, domains, ranges
CREATE TYPE mood AS ENUM ('sad','ok','happy','it''s "odd", ok?');
CREATE TYPE addr AS (street text, no int, geo point, since timestamp);
CREATE DOMAIN posint AS integer CHECK (VALUE > 0);
CREATE DOMAIN email AS text CONSTRAINT email_ck CHECK (VALUE ~ '^[^@]+@[^@]+$') ;
CREATE DOMAIN shortjson AS jsonb NOT NULL DEFAULT '{}';
CREATE TABLE t_arrays (id int PRIMARY KEY, ia int[], ba bigint[], ta text[], fa float8[], na numeric[], bo boolean[], dates date[], tss timestamp[], bys bytea[], js json[], ud uuid[], moods mood[], i2 int[][]);
INSERT INTO t_arrays VALUES
 (1,'{1,NULL,3}','{9223372036854775807,-9007199254740993}',ARRAY['a,b','c"d',NULL,'NULL','','{x}',E'back\\slash'],'{NaN,Infinity,-Infinity,1.5,0.1}','{1.10,NaN,12345678901234567890}','{t,f,NULL}','{2024-02-29,infinity}',ARRAY['2024-01-15 10:30:45.5'::timestamp,'infinity'],ARRAY['\x00ff'::bytea],ARRAY['{"a":1,"a":2}'::json],ARRAY['A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'::uuid],ARRAY['it''s "odd", ok?'::mood,'sad'],'{{1,2},{3,4}}'),
 (2,'{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}'),
 (3,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL),
 (4,'[0:2]={7,8,9}',NULL,'{{a,b},{c,d}}',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'{{{1},{2}}}');
CREATE TABLE t_types (id posint PRIMARY KEY, m mood NOT NULL DEFAULT 'ok', e email, a addr, aa addr[], sj shortjson, m2 mood);
INSERT INTO t_types VALUES (1,'sad','a@b.c',ROW('Main "St", (x)',5,point(1.5,-2),'2024-01-15 10:30:45')::addr,ARRAY[ROW('x',1,NULL,NULL)::addr],'{"a":1}',NULL),
 (2,'it''s "odd", ok?',NULL,ROW(NULL,NULL,NULL,NULL)::addr,'{}','[]','happy'),(3,'ok','x@y',NULL,NULL,'{}',NULL);
CREATE TABLE t_ranges (id int PRIMARY KEY, i4 int4range, i8 int8range, n numrange, d daterange, ts tsrange, tz tstzrange, mr int4multirange, dm datemultirange);
INSERT INTO t_ranges VALUES (1,'[1,10]','(,5)','(1.10,2.0]','[2024-01-01,2024-01-31]','[2024-01-01 00:00,2024-01-02 12:30:00.5)','[2024-01-01 00:00+02,infinity)','{[1,3),[5,8)}','{[2024-01-01,2024-02-01)}'),
 (2,'empty','empty','empty','empty','empty','empty','{}','{}'),(3,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL),(4,'(,)','(,)','(,)','(,)','(,)','(,)','{(,)}','{(,)}');

------------------------------------------------------------------ 11. network, bits, geometry, text search, xml, system types
CREATE TABLE t_net (id int PRIMARY KEY, i inet, c cidr, m macaddr, m8 macaddr8);
INSERT INTO t_net VALUES (1,'192.168.1.1','10.0.0.0/8','08:00:2b:01:02:03','08:00:2b:01:02:03:04:05'),(2,'192.168.1.1/24','10.1.2.3/32','FF-FF-FF-FF-FF-FF','ffff.ffff.ffff.ffff'),
 (3,'::1','::/0','000000000000','0000000000000000'),(4,'2001:db8::1/64','2001:db8::/32',NULL,NULL),(5,NULL,NULL,NULL,NULL),(6,'::ffff:1.2.3.4/128','::ffff:1.2.3.0/120',NULL,NULL),(7,'0.0.0.0/0','0.0.0.0/0',NULL,NULL);
CREATE TABLE t_bits (id int PRIMARY KEY, b1 bit, b8 bit(8), vb bit varying);
INSERT INTO t_bits VALUES (1,B'1',B'10101010',B''),(2,B'0',B'00000001',B'0101'),(3,NULL,NULL,NULL),(4,B'1',B'11111111',(repeat('10',100))::varbit);
CREATE TABLE t_geo (id int PRIMARY KEY, p point, l line, s lseg, b box, pa path, po polygon, c circle);
INSERT INTO t_geo VALUES (1,'(1.5,-2)','{1,-1,0}','[(0,0),(1,1)]','(1,1),(0,0)','[(0,0),(1,1)]','((0,0),(1,1),(1,0))','<(0,0),1.1>'),(2,'(NaN,Infinity)',NULL,NULL,NULL,'((0,0),(1,1))',NULL,NULL),(3,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE t_fts (id int PRIMARY KEY, body text, v tsvector GENERATED ALWAYS AS (to_tsvector('english'::regconfig, body)) STORED, q tsquery);
INSERT INTO t_fts(id,body,q) VALUES (1,'The Fat Cats sat','fat & !rat'),(2,'it''s a "quote"','''it''''s'' | b:*'),(3,NULL,NULL);
CREATE INDEX t_fts_v ON t_fts USING gin(v);
DO $$ BEGIN CREATE TABLE t_xml (id int PRIMARY KEY, x xml);  -- a server built without libxml has no value of this type
  INSERT INTO t_xml VALUES (1,'<a k="v">é &amp; <!-- c --></a>'),(2,'text only'),(3,NULL);
EXCEPTION WHEN feature_not_supported THEN RAISE NOTICE 'xml not available'; END $$;
CREATE TABLE t_sys (id int PRIMARY KEY, o oid, rc regclass, rt regtype, ro regrole, l pg_lsn, sn txid_snapshot, x8 xid8, tid tid, jp jsonpath);
INSERT INTO t_sys VALUES (1,4294967295,'t_sys','integer','pg_monitor','16/B374D848','10:20:10,14','18446744073709551615','(0,1)','$.a[*] ? (@ > 1)'),(2,0,'t_text','text[]',NULL,'0/0',NULL,'0',NULL,NULL);

------------------------------------------------------------------ 12. keys, sequences, identity
CREATE TABLE k_serial (id serial PRIMARY KEY, v text);
INSERT INTO k_serial(v) VALUES ('a'),('b'),('c'),('gone'),('gone'); DELETE FROM k_serial WHERE v='gone';      -- sequence at 5, max(id)=3
CREATE TABLE k_ident_always (id bigint GENERATED ALWAYS AS IDENTITY (START WITH 1000 INCREMENT BY 5) PRIMARY KEY, v text);
INSERT INTO k_ident_always(v) VALUES ('a'),('b');
CREATE TABLE k_ident_default (code text PRIMARY KEY, n int GENERATED BY DEFAULT AS IDENTITY, v text);           -- identity that is not the key
INSERT INTO k_ident_default(code,v) VALUES ('x','a'),('y','b');
CREATE TABLE k_neg (id smallserial PRIMARY KEY, v text); INSERT INTO k_neg VALUES (-5,'neg'),(0,'zero'),(7,'seven');
CREATE TABLE k_comp (a int, b text, v text, PRIMARY KEY (b, a));                                                 -- key order differs from column order
INSERT INTO k_comp VALUES (2,'x','2x'),(1,'x','1x'),(1,'y','1y');
CREATE TABLE k_comp_child (id int PRIMARY KEY, pa int, pb text, FOREIGN KEY (pb, pa) REFERENCES k_comp(b, a) ON UPDATE CASCADE);
INSERT INTO k_comp_child VALUES (1,2,'x'),(2,NULL,'nope'),(3,NULL,NULL);                                         -- MATCH SIMPLE: partly NULL is allowed
CREATE TABLE k_nopk (a int, b text); INSERT INTO k_nopk VALUES (1,'dup'),(1,'dup'),(NULL,NULL),(NULL,NULL),(2,'x');
CREATE TABLE k_nopk_uq (a int UNIQUE NOT NULL, b text UNIQUE); INSERT INTO k_nopk_uq VALUES (1,NULL),(2,NULL),(3,'x');
CREATE TABLE k_floatkey (f float8 PRIMARY KEY, v int); INSERT INTO k_floatkey VALUES (0.1,1),(1e23,2),(3,3),('-Infinity',4);
CREATE TABLE k_empty (id int PRIMARY KEY, t text NOT NULL);
CREATE TABLE k_rowid (rowid text, _rowid_ text, oid text, v int); INSERT INTO k_rowid VALUES ('r','_r','o',1),('r2','_r2','o2',2);
CREATE TABLE k_boolkey (b boolean PRIMARY KEY, v text); INSERT INTO k_boolkey VALUES (true,'t'),(false,'f');

------------------------------------------------------------------ 13. foreign keys: self, cycle, actions, non-PK targets
CREATE TABLE fk_tree (id int PRIMARY KEY, parent_id int REFERENCES fk_tree(id) ON DELETE CASCADE, v text);
BEGIN;
INSERT INTO fk_tree VALUES (1,NULL,'root'),(9,1,'nine'),(2,9,'child of a later id'),(3,3,'own parent'),(4,2,'deep');
COMMIT;
CREATE TABLE fk_a (id int PRIMARY KEY, b_id int NOT NULL, v text);
CREATE TABLE fk_b (id int PRIMARY KEY, a_id int NOT NULL REFERENCES fk_a(id) DEFERRABLE INITIALLY DEFERRED, v text);
ALTER TABLE fk_a ADD CONSTRAINT fk_a_b FOREIGN KEY (b_id) REFERENCES fk_b(id) ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED;
BEGIN;
INSERT INTO fk_a VALUES (1,10,'a1'),(2,20,'a2'); INSERT INTO fk_b VALUES (10,2,'b10'),(20,1,'b20');
COMMIT;
CREATE TABLE fk_country (id int PRIMARY KEY, iso char(2) NOT NULL UNIQUE, name text);
CREATE UNIQUE INDEX fk_country_name ON fk_country(name);
CREATE TABLE fk_city (id int PRIMARY KEY, iso char(2) REFERENCES fk_country(iso) ON UPDATE CASCADE ON DELETE SET NULL,
   cname text DEFAULT 'Nowhere' REFERENCES fk_country(name) ON DELETE SET DEFAULT, v text);
INSERT INTO fk_country VALUES (1,'CH','Switzerland'),(2,'KE','Kenya'),(3,'XX','Nowhere');
INSERT INTO fk_city VALUES (1,'CH','Switzerland','Bern'),(2,'KE','Kenya','Nairobi'),(3,NULL,NULL,'?');
CREATE TABLE fk_notvalid (id int PRIMARY KEY, ref int);
INSERT INTO fk_notvalid VALUES (1,1),(2,424242);                                                                 -- 424242 has no parent
ALTER TABLE fk_notvalid ADD CONSTRAINT fk_nv FOREIGN KEY (ref) REFERENCES fk_country(id) NOT VALID;

------------------------------------------------------------------ 14. constraints, indexes, defaults, generated columns
CREATE SEQUENCE standalone_seq START 77;
CREATE TABLE c_defaults (id int PRIMARY KEY, a int DEFAULT 42, b text DEFAULT 'it''s', c text DEFAULT 'x'::character varying, d timestamp DEFAULT now(), e timestamptz DEFAULT CURRENT_TIMESTAMP,
   f date DEFAULT CURRENT_DATE, g uuid DEFAULT gen_random_uuid(), h boolean DEFAULT true, i jsonb DEFAULT '{"k": 1}'::jsonb, j int DEFAULT nextval('standalone_seq'), k numeric(10,2) DEFAULT 0.00,
   l text[] DEFAULT '{}', m interval DEFAULT '1 day', n int DEFAULT (1+2)*3, o text DEFAULT NULL, p timestamp DEFAULT (now() AT TIME ZONE 'utc'), q text DEFAULT upper('abc'), r bytea DEFAULT '\x00ff', s time DEFAULT LOCALTIME, t text DEFAULT CURRENT_USER, u double precision DEFAULT '-Infinity', v date DEFAULT (CURRENT_DATE + 30), w text DEFAULT md5('a'), x smallint DEFAULT '-1'::integer, y mood DEFAULT 'ok');
INSERT INTO c_defaults VALUES (1,1,'b','c','2024-01-15 10:30:45','2024-01-15 10:30:45+00','2024-01-15','A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11',false,'{}',1,1.25,'{a}','2 days',5,NULL,'2024-01-15 10:30:45','Q','\x01','10:30:45','me',1.5,'2024-01-15','w',2,'sad');
CREATE TABLE c_checks (id int PRIMARY KEY,
   status varchar(10) CHECK (status IN ('new','paid','it''s')), price numeric(10,2) CHECK (price >= 0), qty int CHECK (qty BETWEEN 1 AND 100), email text CHECK (email ~* '^[a-z0-9.]+@[a-z0-9.]+$'),
   d1 date, d2 date, j jsonb CHECK (jsonb_typeof(j) = 'object'), code text CHECK (length(code) = 3 AND code = upper(code)), tags text[] CHECK (cardinality(tags) < 5), n int CHECK (n % 2 = 0), nm text CHECK (nm LIKE 'A%'), nl text CHECK (nl NOT LIKE 'a%'),
   CHECK (d2 > d1), CONSTRAINT one_of CHECK (num_nonnulls(price, qty) >= 1));
INSERT INTO c_checks VALUES (1,'new',1.50,5,'A.b@C.d','2024-01-01','2024-01-02','{"a":1}','ABC','{x}',2,'Ab','A is fine: LIKE is case-sensitive in PostgreSQL'),(2,NULL,NULL,1,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE c_unique (id int PRIMARY KEY, email text, a int, b int, active boolean, u1 text UNIQUE, u2 text, rng int4range, pos int, CONSTRAINT u_nnd UNIQUE NULLS NOT DISTINCT (a, b), CONSTRAINT u_def UNIQUE (pos) DEFERRABLE INITIALLY DEFERRED, EXCLUDE USING gist (rng WITH &&));
CREATE UNIQUE INDEX c_unique_lower ON c_unique (lower(email));
CREATE UNIQUE INDEX c_unique_part ON c_unique (u2) WHERE active;
CREATE UNIQUE INDEX c_unique_incl ON c_unique (email, a) INCLUDE (b);
CREATE INDEX c_unique_desc ON c_unique (a DESC NULLS LAST, b);
CREATE INDEX c_unique_hash ON c_unique USING hash (email);
CREATE INDEX c_unique_pat ON c_unique (email text_pattern_ops);
CREATE INDEX c_unique_coll ON c_unique (email COLLATE "C");
CREATE INDEX c_unique_brin ON c_unique USING brin (id);
INSERT INTO c_unique VALUES (1,'A@x.org',1,1,true,NULL,'same','[1,5)',1),(2,'b@x.org',1,NULL,false,NULL,'same','[5,9)',2),(3,'C@x.org',NULL,2,false,'u','same',NULL,3),(4,NULL,2,2,NULL,'U',NULL,'empty',4);
CREATE TABLE c_generated (id int PRIMARY KEY, a int, b int, s int GENERATED ALWAYS AS (a + b) STORED, full_name text GENERATED ALWAYS AS (('n' || a::text)) STORED, tax numeric GENERATED ALWAYS AS (a * 0.19) STORED);
INSERT INTO c_generated(id,a,b) VALUES (1,1,2),(2,NULL,2),(3,-7,3);
CREATE TABLE c_dropped (id int PRIMARY KEY, gone1 text, keep1 text, gone2 int, keep2 int);
INSERT INTO c_dropped VALUES (1,'x','k',1,2);
ALTER TABLE c_dropped DROP COLUMN gone1, DROP COLUMN gone2; ALTER TABLE c_dropped ADD COLUMN late text NOT NULL DEFAULT 'fast default';
INSERT INTO c_dropped VALUES (2,'k2',3,'given');
COMMENT ON TABLE c_dropped IS 'a table comment with ''quotes'' and */ end'; COMMENT ON COLUMN c_dropped.keep1 IS 'column comment -- x';

------------------------------------------------------------------ 15. names
CREATE TABLE "Order Details" ("Order ID" int, "select" text, "group" text, "a""b" text, "x.y" text, "naïve é" text, "MixedCase" int, "table" int, "1st" int, "?" text, "rowid" int, PRIMARY KEY ("Order ID"));
INSERT INTO "Order Details" VALUES (1,'s','g','q','d','u',5,6,7,'qm',8);
CREATE TABLE "order" (id int PRIMARY KEY, "references" int REFERENCES "Order Details"("Order ID")); INSERT INTO "order" VALUES (1,1),(2,NULL);
CREATE TABLE a_name_that_is_exactly_sixty_three_bytes_long_in_postgresql_okk (id int PRIMARY KEY, a_column_that_is_exactly_sixty_three_bytes_long_in_postgres_okk int);
INSERT INTO a_name_that_is_exactly_sixty_three_bytes_long_in_postgresql_okk VALUES (1,2);
CREATE TABLE json_each (id int PRIMARY KEY, value text); INSERT INTO json_each VALUES (1,'shadows a table-valued function');
-- exactly 100 columns: allowed, one row per INSERT with bound parameters
DO $$ BEGIN EXECUTE 'CREATE TABLE w_100 (c001 int PRIMARY KEY,' || (SELECT string_agg('c'||lpad(i::text,3,'0')||' int', ',' ORDER BY i) FROM generate_series(2,100) i) || ')';
 EXECUTE 'INSERT INTO w_100 SELECT ' || (SELECT string_agg('g*1000+'||i, ',' ORDER BY i) FROM generate_series(1,100) i) || ' FROM generate_series(1,7) g'; END $$;

------------------------------------------------------------------ 16. more schemas: flattening collisions
CREATE SCHEMA sales; CREATE SCHEMA "Sales"; CREATE SCHEMA a; CREATE SCHEMA a_b;
CREATE TABLE orders (id int PRIMARY KEY, v text); INSERT INTO orders VALUES (1,'public');
CREATE TABLE sales.orders (id int PRIMARY KEY, v text, pub int REFERENCES public.orders(id)); INSERT INTO sales.orders VALUES (1,'sales',1);
CREATE TABLE "Sales".orders (id int PRIMARY KEY, v text); INSERT INTO "Sales".orders VALUES (1,'Sales');          -- collides with sales.orders when case is ignored
CREATE TABLE sales_orders (id int PRIMARY KEY, v text); INSERT INTO sales_orders VALUES (1,'public.sales_orders');  -- collides with sales.orders flattened by '_'
CREATE TABLE a.b_c (id int PRIMARY KEY, v text); INSERT INTO a.b_c VALUES (1,'a.b_c');
CREATE TABLE a_b.c (id int PRIMARY KEY, v text); INSERT INTO a_b.c VALUES (1,'a_b.c');                              -- both flatten to a_b_c
CREATE INDEX idx_v ON orders(v); CREATE INDEX idx_v ON sales.orders(v); CREATE INDEX orders_idx ON a.b_c(v);
CREATE TABLE sales.idx_v2 (id int PRIMARY KEY); CREATE INDEX idx_v2 ON public.sales_orders(v);                      -- index name equals a table name of another schema
INSERT INTO sales.idx_v2 VALUES (1);

------------------------------------------------------------------ 17. partitions, inheritance, views, RLS, triggers
CREATE TABLE p_log (id int NOT NULL, at date NOT NULL, v text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE p_log_2023 PARTITION OF p_log FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
CREATE TABLE p_log_2024 PARTITION OF p_log FOR VALUES FROM ('2024-01-01') TO ('2025-01-01') PARTITION BY HASH (id);
CREATE TABLE p_log_2024_0 PARTITION OF p_log_2024 FOR VALUES WITH (MODULUS 2, REMAINDER 0); CREATE TABLE p_log_2024_1 PARTITION OF p_log_2024 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE p_log_default PARTITION OF p_log DEFAULT;
INSERT INTO p_log VALUES (1,'2023-05-05','a'),(2,'2024-05-05','x'),(3,'2024-06-06','y'),(4,'1999-01-01','old'),(5,'2024-07-07',NULL);
CREATE TABLE i_parent (id int PRIMARY KEY, v text); CREATE TABLE i_child (extra text) INHERITS (i_parent);
INSERT INTO i_parent VALUES (1,'parent only'); INSERT INTO i_child VALUES (1,'child, same id as the parent row','e'),(2,'child','f');
CREATE VIEW v_orders AS SELECT o.id, o.v, s.v AS sv FROM orders o JOIN sales.orders s ON s.pub = o.id;
CREATE MATERIALIZED VIEW mv_counts AS SELECT m, count(*) AS n FROM t_types GROUP BY m;
CREATE TABLE r_rls (id int PRIMARY KEY, tenant text, v text); INSERT INTO r_rls VALUES (1,'a','x'),(2,'b','y'),(3,'a','z');
ALTER TABLE r_rls ENABLE ROW LEVEL SECURITY; CREATE POLICY only_a ON r_rls FOR SELECT USING (tenant = 'a');
DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname='torture_reader') THEN CREATE ROLE torture_reader LOGIN; END IF; END $$;
GRANT USAGE ON SCHEMA public TO torture_reader; GRANT SELECT ON r_rls TO torture_reader;                            -- sees 2 of 3 rows unless row_security=off makes it an error
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.v := NEW.v || ''!''; RETURN NEW; END';
CREATE TABLE r_trig (id int PRIMARY KEY, v text); CREATE TRIGGER tr BEFORE INSERT ON r_trig FOR EACH ROW EXECUTE FUNCTION touch(); INSERT INTO r_trig VALUES (1,'a');
CREATE UNLOGGED TABLE r_unlogged (id int PRIMARY KEY); INSERT INTO r_unlogged VALUES (1);

------------------------------------------------------------------ 18. must be refused (or asked about) with a clear message, without stopping the rest
CREATE SCHEMA refuse;
DO $$ BEGIN EXECUTE 'CREATE TABLE refuse.cols_101 (' || (SELECT string_agg('c'||i||' int', ',' ORDER BY i) FROM generate_series(1,101) i) || ')'; EXECUTE 'INSERT INTO refuse.cols_101(c1) VALUES (1)'; END $$;
CREATE TABLE refuse.case_cols (id int PRIMARY KEY, "A" int, "a" int); INSERT INTO refuse.case_cols VALUES (1,2,3);
CREATE TABLE refuse."Dup" (id int PRIMARY KEY); CREATE TABLE refuse.dup (id int PRIMARY KEY); INSERT INTO refuse."Dup" VALUES (1); INSERT INTO refuse.dup VALUES (2);
CREATE TABLE refuse._cf_kv (id int PRIMARY KEY); INSERT INTO refuse._cf_kv VALUES (1);
CREATE TABLE refuse.sqlite_thing (id int PRIMARY KEY); INSERT INTO refuse.sqlite_thing VALUES (1);
CREATE TABLE refuse.zero_cols (); INSERT INTO refuse.zero_cols DEFAULT VALUES;
CREATE TABLE refuse.too_big_value (id int PRIMARY KEY, t text); INSERT INTO refuse.too_big_value VALUES (1,'small'),(2,repeat('x',2000001)),(3,repeat(U&'\00E9',1000001));
CREATE TABLE refuse.too_big_row (id int PRIMARY KEY, t text, u text, b bytea); INSERT INTO refuse.too_big_row VALUES (1,repeat('x',1200000),repeat('y',1200000),NULL),(2,'a','b','\x00');

------------------------------------------------------------------ 19. mid-size, deterministic
CREATE TABLE m_users (id int PRIMARY KEY, name text NOT NULL, email text NOT NULL UNIQUE, created timestamptz NOT NULL, active boolean NOT NULL, score numeric(8,2), meta jsonb NOT NULL, referrer int REFERENCES m_users(id));
INSERT INTO m_users SELECT i, 'User '||i||CASE WHEN i%10=0 THEN ' O''Brien' WHEN i%7=0 THEN ' '||U&'\00FC\+01F600' ELSE '' END, 'u'||i||'@example.org',
  timestamptz '2020-01-01 00:00:00+00' + (i*3607)*interval '1 second' + CASE WHEN i%5=0 THEN (i%1000000)*interval '1 microsecond' ELSE interval '0' END, i%3<>0,
  CASE WHEN i%11=0 THEN NULL ELSE (i*37%1000000)/100.0 END, jsonb_build_object('n',i,'tags',jsonb_build_array('t'||i%5,'t'||i%3),'big',9007199254740993+i), CASE WHEN i%4=0 THEN NULL ELSE (i*7919)%5000+1 END
 FROM generate_series(1,5000) i;
CREATE TYPE ev_kind AS ENUM ('view','click','buy');
CREATE TABLE m_events (id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, user_id int NOT NULL REFERENCES m_users(id) ON DELETE CASCADE, kind ev_kind NOT NULL, at timestamp NOT NULL, amount numeric(12,2), ip inet, ratio double precision, payload json, raw bytea);
INSERT INTO m_events SELECT 9007199254740000+i, (i*31)%5000+1, (ARRAY['view','click','buy'])[i%3+1]::ev_kind, timestamp '2021-06-01 00:00:00' + i*interval '61 seconds' + CASE WHEN i%2=1 THEN interval '500 milliseconds' ELSE interval '0' END,
  CASE WHEN i%3=2 THEN (i%100000)/100.0 END, ('10.'||i/65536%256||'.'||i/256%256||'.'||i%256)::inet, i/7.0::float8, ('{"i": '||i||', "s": "'||i%13||'"}')::json, CASE WHEN i%50=0 THEN decode(md5(i::text),'hex') END
 FROM generate_series(1,20000) i;
CREATE INDEX m_events_user ON m_events(user_id, at DESC); CREATE INDEX m_events_buy ON m_events(at) WHERE kind = 'buy';

------------------------------------------------------------------ 20. extension types (skipped with a NOTICE when the extension is not installed)
DO $$ BEGIN CREATE EXTENSION IF NOT EXISTS hstore; EXECUTE 'CREATE TABLE x_hstore (id int PRIMARY KEY, h hstore)';
  EXECUTE $q$INSERT INTO x_hstore VALUES (1,'a=>1, "b c"=>NULL, "q\"x"=>"NULL"'),(2,''),(3,NULL)$q$; EXCEPTION WHEN undefined_file OR feature_not_supported OR invalid_parameter_value THEN RAISE NOTICE 'hstore not available'; END $$;
DO $$ BEGIN CREATE EXTENSION IF NOT EXISTS citext; EXECUTE 'CREATE TABLE x_citext (id int PRIMARY KEY, c citext UNIQUE)';
  EXECUTE $q$INSERT INTO x_citext VALUES (1,'Hello'),(2,'hELLO2'),(3,U&'\00C9t\00E9'),(4,NULL)$q$; EXCEPTION WHEN undefined_file OR feature_not_supported OR invalid_parameter_value THEN RAISE NOTICE 'citext not available'; END $$;
DO $$ BEGIN CREATE EXTENSION IF NOT EXISTS ltree; EXECUTE 'CREATE TABLE x_ltree (id int PRIMARY KEY, p ltree, pa ltree[])';
  EXECUTE $q$INSERT INTO x_ltree VALUES (1,'Top.Science.Astronomy','{A.B,C}'),(2,'','{}'),(3,NULL,NULL)$q$; EXCEPTION WHEN undefined_file OR feature_not_supported OR invalid_parameter_value THEN RAISE NOTICE 'ltree not available'; END $$;
DO $$ BEGIN CREATE EXTENSION IF NOT EXISTS cube; EXECUTE 'CREATE TABLE x_cube (id int PRIMARY KEY, c cube)';
  EXECUTE $q$INSERT INTO x_cube VALUES (1,'(1,2,3)'),(2,'(0,0),(1,1)')$q$; EXCEPTION WHEN undefined_file OR feature_not_supported OR invalid_parameter_value THEN RAISE NOTICE 'cube not available'; END $$;
ANALYZE;
