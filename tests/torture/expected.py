# What D1 must hold of torture.sql, written by hand from its text; see cells.py for the kinds of cells.
from tests.torture.cells import I, N, F, F4, S, C, B, J, JX, TS, O, ANY
import hashlib, json
from datetime import datetime, timedelta
EXPECT = {}
def T(name, cols, key, rows, **kw):
    full = name if '|' in name else 'public|' + name
    EXPECT[full] = dict(cols=cols.split(), key=key.split() if isinstance(key, str) else key, rows=rows, **kw)
Z = None
def IR(rows): return [[x if (x is None or not isinstance(x, int)) else I(x) for x in r] for r in rows]   # ints in a row -> I()

# 1 integers
M = 9223372036854775807
T('t_ints', 'id a b c', 'id', IR([(1,-32768,-2147483648,-M-1),(2,32767,2147483647,M),(3,0,0,0),(4,-1,-1,-1),(5,Z,Z,Z),(6,1,1,9007199254740991),(7,1,1,9007199254740992),(8,1,1,9007199254740993),(9,1,1,-9007199254740993),(10,1,1,1234567890123456789)]))
T('t_bigpk', 'id note', 'id', [[I(9007199254740992),S('2^53')],[I(9007199254740993),S('2^53+1')],[I(9007199254740994),S('2^53+2')],[I(M-1),S('max-1')],[I(M),S('max')],[I(-M-1),S('min')],[I(0),S('zero')]])
T('t_bigfk', 'id ref', 'id', IR([(1,9007199254740993),(2,M),(3,Z),(4,-M-1)]))
# 2 numeric
n9 = '9'*600 + '.' + '7'*400
T('t_numeric', 'id n n102 n150 n180 n3810 nneg nfrac', 'id', [
 [I(1),N('0.1'),N('0.10'),N('999999999999999'),N('999999999999999999'),N('1234567890123456789012345678.0123456789'),N('123500'),N('0.00123')],
 [I(2),N('1.50'),N('10.50'),N('0'),N('0'),N('0'),N('0'),N('0')],
 [I(3)]+[N('NaN')]*7,
 [I(4),N('Infinity'),Z,Z,Z,Z,Z,Z],[I(5),N('-Infinity'),Z,Z,Z,Z,Z,Z],
 [I(6),N(n9),N('-99999999.99'),N('-999999999999999'),N('-999999999999999999'),N('-0.0000000001'),N('-9900'),N('-0.00999')],
 [I(7),N('1'+'0'*60),N('0.01'),N('1'),N('9007199254740993'),N('9007199254740993.0000000001'),N('100'),N('0.00001')],
 [I(8),N('0.'+'0'*59+'1'),N('99999999.99'),N('123456789012345'),N('123456789012345678'),N('0.3333333333'),N('99900'),Z],
 [I(9)]+[Z]*7,
 [I(10)]+[N('0')]*7,
 [I(11),N('12345678901234567.89'),N('8.10'),N('5'),N('5'),N('5'),N('500'),N('0.005')],
 [I(12),N('2'),N('2'),N('2'),N('2'),N('2'),N('200'),N('0.002')]])
T('t_numkey', 'k v', 'v', [[N('1'),S('one')],[N('1.0001'),S('one and a bit')],[N('1234567890123456.7891'),S('big')],[N('-1'),S('neg')]])
T('t_money', 'id m', 'id', [[I(1),N('0')],[I(2),N('1234.56')],[I(3),N('-92233720368547758.08')],[I(4),N('92233720368547758.07')],[I(5),Z],[I(6),N('0.10')]])
# 3 floats
T('t_floats', 'id f4 f8', 'id', [[I(i),F4(a) if a else Z,F(b) if b else Z] for i,a,b in [
 (1,'0.1','0.1'),(2,'NaN','NaN'),(3,'Infinity','Infinity'),(4,'-Infinity','-Infinity'),(5,'0','0'),(6,'3.4028235e38','1.7976931348623157e308'),(7,'1e-45','5e-324'),(8,'16777216','9007199254740992'),
 (9,'1.1754944e-38','2.2250738585072014e-308'),(10,'0.33333334','0.30000000000000004'),(11,'1e10','1e22'),(12,'123456.79','1e23'),(13,'-1.5','123456789.12345679'),(14,'2','3'),(15,Z,Z),(16,'1e-5','7.654927133881691e-231'),(17,'100','2.2790121708605243e+274')]])
T('t_float_nn', 'id f', 'id', [[I(1),F('1.25')],[I(2),F('NaN')],[I(3),F('-Infinity')]])
# 4 booleans
T('t_bool', 'id b bn bt', 'id', IR([(1,1,1,1),(2,0,0,0),(3,Z,1,Z)]))
# 5 text
txt = {1:'',2:' ',3:'  lead and trail  ',4:'tab\tnl\ncr\rcrlf\r\nend',5:'quote\' dquote" back\\slash bt` semi; dash-- /* c */',6:'?',7:'?1 ?2 :a @b $1 %s %(x)s {x} {{y}} ${z}',8:'NULL',9:'null',10:'\\N',11:'\\.',
 12:'\U0001F468\u200D\U0001F469\u200D\U0001F467',13:'e\u0301',14:'\u00e9',15:'\ufeffbom',16:'\x01\x02\x1f\x7f',17:'\u2028\u2029\x85',18:'\ufffe\uffff',19:'\U0010ffff',20:'\u202eabc\u202c',21:'0x10',22:'1e5',23:'007',24:' 12 ',25:'9223372036854775808',
 26:'true',27:'1.0',28:'inf',29:"X'414243'",30:'a'*51,31:None,32:'2024-01-01T00:00:00Z',33:'{"a":1}',34:'[]',35:'stra\u00dfe',36:'\u0130\u0131',37:"Robert'); DROP TABLE t_text;--",38:"a\\'b",39:'=+cmd',40:'\u4e2d\u6587\ud55c\uae00'}
T('t_text', 'id t', 'id', [[I(k), Z if v is None else S(v)] for k,v in txt.items()])
T('t_char', 'id c5 c1 v10 ch nm', 'id', [[I(1),C('ab'),C('x'),S('ab'),S('a'),S('ab')],[I(2),C('ab'),C(''),S('ab   '),S('Z'),S('Ab C')],[I(3),C(''),C(''),S(''),S(''),S('')],[I(4),Z,Z,Z,Z,Z],
 [I(5),C(' ab'),C('7'),S(' ab'),S('1'),S('x')],[I(6),C('00123'),C('0'),S('00123'),S('0'),S('007')],[I(7),C('éè'),C('é'),S('éè'),S('\\377'),S('é')]])
T('t_charkey', 'k v', 'k', [[C('a'),I(1)],[C('bb'),I(2)],[C('cccc'),I(3)]])
T('t_charfk', 'id k k2', 'id', [[I(1),C('a'),S('a')],[I(2),C('bb'),S('bb')],[I(3),C('cccc'),S('cccc')],[I(4),Z,Z]])
T('t_textkey', 'code v', 'v', [[S(a),S(b)] for a,b in [('1','a'),('01','b'),('1.0','c'),('1e0','d'),('+1','e'),(' 1','f'),('A','g'),('a','h'),('\u00e9','i'),('e\u0301','j')]])
# 6 bytea, large
T('t_bytea', 'id b', 'id', [[I(1),B('')],[I(2),B('00')],[I(3),B('000102feff')],[I(4),B('313233')],[I(5),B(b'plain text'.hex())],[I(6),Z],[I(7),B('c3')],[I(8),B(bytes(range(256)).hex())]])
T('t_large', 'id body bin', 'id', [[I(1),S('x'*99990),Z],[I(2),S('y'*150000),Z],[I(3),S('é'*450000),Z],[I(4),S("'"*60000),Z],[I(5),Z,B('00ff80'*20000)],[I(6),Z,B('deadbeef'*150000)],[I(7),S('z'*1900000),Z],[I(8),S('\U0001F600'*30000),B('0a'*200000)]])
# 7 uuid
T('t_uuid', 'id u', 'id', [[S('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'),S('00000000-0000-0000-0000-000000000000')],[S('00000000-0000-0000-0000-000000000001'),Z],[S('ffffffff-ffff-ffff-ffff-ffffffffffff'),S('12345678-1234-5678-1234-567812345678')]])
# 8 date/time (source session zone is America/New_York: timestamptz must come out in UTC all the same)
T('t_date', 'id d', 'id', [[I(i),Z if d is None else S(d)] for i,d in enumerate(['2024-02-29','1970-01-01','0001-01-01','9999-12-31','10000-01-01','5874897-12-31','0001-12-31 BC','4713-01-01 BC','infinity','-infinity',None,'1582-10-10'],1)])
ts = [
 ('2024-01-15 10:30:45','2024-01-15 10:30:45','2024-01-15 10:30:45','2024-01-15 10:30:45'),
 ('2024-01-15 10:30:45.123456','2024-01-15 10:30:46','2024-01-15 10:30:45.124','2024-01-15 05:00:45.123456'),
 ('2024-01-15 10:30:45.5','2024-01-15 10:30:45','2024-01-15 10:30:45.5','2024-01-15 18:30:45.5'),
 ('2024-01-15 10:30:45.000001','2024-01-15 00:00:00','2024-01-15 10:30:45.001','2024-01-15 00:00:00.000001'),
 ('1969-12-31 23:59:59.999999','1969-12-31 23:59:59','1969-12-31 23:59:59.999','1970-01-01 00:00:00'),
 ('0001-01-01 00:00:00',)*4,
 ('9999-12-31 23:59:59.999999','9999-12-31 23:59:59','9999-12-31 23:59:59.999','9999-12-31 23:59:59.999999'),
 ('10000-01-01 00:00:00',Z,Z,'10000-01-01 04:00:00'),
 ('294276-12-31 23:59:59.999999',Z,Z,'294276-12-31 23:59:59.999999'),
 ('0044-03-15 12:00:00 BC',Z,Z,'0001-12-31 10:00:00 BC'),
 ('4713-01-01 00:00:00 BC',Z,Z,'4713-01-01 00:00:00 BC'),
 ('infinity',)*4,('-infinity',)*4,(Z,)*4,
 ('2024-03-10 02:30:00',)*3+('2024-03-10 06:59:59',),
 ('2024-11-03 01:30:00',)*3+('2024-11-03 05:30:00',),
 ('2024-11-03 01:30:00',)*3+('2024-11-03 06:30:00',),
 ('1883-11-18 12:00:00',)*3+('1883-11-18 17:03:58',),
 ('2017-01-01 00:00:00','2024-01-16 00:00:00','2024-01-16 00:00:00','2017-01-01 00:00:00')]
T('t_ts', 'id ts ts0 ts3 tz', 'id', [[I(i)]+[Z if x is None else TS(x) for x in r] for i,r in enumerate(ts,1)])
# with timestamps = "seconds" three keys become one: the table is refused then, and no row dropped
T('t_tskey', 'at v', 'v', [[S('2024-05-05 05:05:05.000001'),I(1)],[S('2024-05-05 05:05:05.000002'),I(2)],[S('2024-05-05 05:05:05'),I(3)],[S('infinity'),I(4)]])
T('t_time', 'id t t0 tz', 'id', [[I(1),S('00:00:00'),S('00:00:00'),S('00:00:00+00')],[I(2),S('23:59:59.999999'),S('23:59:59'),S('23:59:59.999999-12')],[I(3),S('24:00:00'),S('24:00:00'),S('24:00:00+00')],
 [I(4),S('12:34:56.7'),S('12:34:57'),S('12:34:56.789+05:30')],[I(5),Z,Z,Z],[I(6),S('04:05:00'),S('04:05:00'),S('04:05:06-15:59:59')]])
T('t_interval', 'id i', 'id', [[I(1),O('P1M','1 mon')],[I(2),O('P30D','30 days')],[I(3),O('PT720H','720:00:00')],[I(4),O('P1Y2M3DT4H5M6.789S','1 year 2 mons 3 days 04:05:06.789')],[I(5),O('P-1M1DT-1S','-1 mons +1 day -00:00:01')],[I(6),O('PT0S','00:00:00')],
 [I(7),O('P178000000Y','178000000 years')],[I(8),O('PT0.000001S','00:00:00.000001')],[I(9),O('P-2147483648D','-2147483648 days')],[I(10),Z],[I(11),O('PT2562047788H54.775807S','2562047788:00:54.775807')]])
# 9 json
js = {1:('{"b":1, "a":2,  "b":3}','{"a": 2, "b": 3}'),2:('null','null'),3:(Z,Z),4:('""','""'),5:('[]','{}'),6:('true','false'),7:('9007199254740993','9007199254740993'),8:('12345678901234567890.123456789','12345678901234567890.123456789'),
 9:('1e400','1'+'0'*40),10:('-0','0'),11:('1.10','1.10'),12:('"\\u0000"','"\\\\u0000"'),13:('"\\ud83d\\ude00 \\u00e9"','"\U0001F600 é"'),14:('"\\ud800"','"x"'),15:(' { "k" : [ 1 , 2 ] } ','{"k": [1, 2]}'),16:('"line\\nbreak \\" quote"','"line\\nbreak \\" quote"'),
 17:('['*900+']'*900,)*2,18:('{"":{"":[null]}}',)*2,19:('{"n":'+'9'*400+'}','{"n":'+'9'*400+'}'),20:('{"it\'s":"?1 ; --"}',)*2}
T('t_json', 'id j jb', 'id', [[I(i),Z if a is None else JX(a),Z if b is None else J(b)] for i,(a,b) in js.items()])
T('t_json_deep', 'id j', 'id', [[I(1),JX('['*1500+']'*1500)]])
# 10 arrays etc. (JSON text)
T('t_arrays', 'id ia ba ta fa na bo dates tss bys js ud moods i2', 'id', [
 [I(1),J('[1,null,3]'),J('[9223372036854775807,-9007199254740993]'),J(json.dumps(['a,b','c"d',None,'NULL','','{x}','back\\slash'])),J('["NaN","Infinity","-Infinity",1.5,0.1]'),J('[1.10,"NaN",12345678901234567890]'),J('[true,false,null]'),J('["2024-02-29","infinity"]'),J('["2024-01-15 10:30:45.5","infinity"]'),J('["\\\\x00ff"]'),ANY,J('["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"]'),J(json.dumps(['it\'s "odd", ok?','sad'])),J('[[1,2],[3,4]]')],
 [I(2)]+[J('[]')]*13, [I(3)]+[Z]*13,
 [I(4),J('[7,8,9]'),Z,J('[["a","b"],["c","d"]]')]+[Z]*9+[J('[[[1],[2]]]')]])
A1 = json.dumps({"street":'Main "St", (x)',"no":5,"geo":"(1.5,-2)","since":"2024-01-15 10:30:45"})
T('t_types', 'id m e a aa sj m2', 'id', [[I(1),S('sad'),S('a@b.c'),J(A1),J('[{"street":"x","no":1,"geo":null,"since":null}]'),J('{"a":1}'),Z],
 [I(2),S('it\'s "odd", ok?'),Z,J('{"street":null,"no":null,"geo":null,"since":null}'),J('[]'),J('[]'),S('happy')],[I(3),S('ok'),S('x@y'),Z,Z,J('{}'),Z]])
T('t_ranges', 'id i4 i8 n d ts tz mr dm', 'id', [[I(1),S('[1,11)'),S('(,5)'),S('(1.10,2.0]'),S('[2024-01-01,2024-02-01)'),S('["2024-01-01 00:00:00","2024-01-02 12:30:00.5")'),O('["2023-12-31 22:00:00+00",infinity)','["2023-12-31 22:00:00",infinity)'),S('{[1,3),[5,8)}'),S('{[2024-01-01,2024-02-01)}')],
 [I(2)]+[S('empty')]*6+[S('{}')]*2,[I(3)]+[Z]*8,[I(4)]+[S('(,)')]*6+[S('{(,)}')]*2])
# 11 net etc.
T('t_net', 'id i c m m8', 'id', [[I(1),S('192.168.1.1'),S('10.0.0.0/8'),S('08:00:2b:01:02:03'),S('08:00:2b:01:02:03:04:05')],[I(2),S('192.168.1.1/24'),S('10.1.2.3/32'),S('ff:ff:ff:ff:ff:ff'),S('ff:ff:ff:ff:ff:ff:ff:ff')],[I(3),S('::1'),S('::/0'),S('00:00:00:00:00:00'),S('00:00:00:00:00:00:00:00')],
 [I(4),S('2001:db8::1/64'),S('2001:db8::/32'),Z,Z],[I(5),Z,Z,Z,Z],[I(6),S('::ffff:1.2.3.4'),S('::ffff:1.2.3.0/120'),Z,Z],[I(7),S('0.0.0.0/0'),S('0.0.0.0/0'),Z,Z]])
T('t_bits', 'id b1 b8 vb', 'id', [[I(1),S('1'),S('10101010'),S('')],[I(2),S('0'),S('00000001'),S('0101')],[I(3),Z,Z,Z],[I(4),S('1'),S('11111111'),S('10'*100)]])
T('t_geo', 'id p l s b pa po c', 'id', [[I(1),S('(1.5,-2)'),S('{1,-1,0}'),S('[(0,0),(1,1)]'),S('(1,1),(0,0)'),S('[(0,0),(1,1)]'),S('((0,0),(1,1),(1,0))'),S('<(0,0),1.1>')],[I(2),S('(NaN,Infinity)'),Z,Z,Z,S('((0,0),(1,1))'),Z,Z],[I(3)]+[Z]*7])
T('t_fts', 'id body v q', 'id', [[I(1),S('The Fat Cats sat'),S("'cat':3 'fat':2 'sat':4"),S("'fat' & !'rat'")],[I(2),S('it\'s a "quote"'),S("'quot':4"),S("'it''s' | 'b':*")],[I(3),Z,Z,Z]])
T('t_xml', 'id x', 'id', [[I(1),S('<a k="v">é &amp; <!-- c --></a>')],[I(2),S('text only')],[I(3),Z]], optional=True)
T('t_sys', 'id o rc rt ro l sn x8 tid jp', 'id', [[I(1),I(4294967295),O('t_sys','public.t_sys'),S('integer'),S('pg_monitor'),S('16/B374D848'),S('10:20:10,14'),N('18446744073709551615'),S('(0,1)'),S('$."a"[*]?(@ > 1)')],[I(2),I(0),O('t_text','public.t_text'),S('text[]'),Z,S('0/0'),Z,N('0'),Z,Z]])
# 12 keys
T('k_serial', 'id v', 'id', [[I(1),S('a')],[I(2),S('b')],[I(3),S('c')]])
T('k_ident_always', 'id v', 'id', [[I(1000),S('a')],[I(1005),S('b')]])
T('k_ident_default', 'code n v', 'code', [[S('x'),I(1),S('a')],[S('y'),I(2),S('b')]])
T('k_neg', 'id v', 'id', [[I(-5),S('neg')],[I(0),S('zero')],[I(7),S('seven')]])
T('k_comp', 'a b v', 'a b', [[I(2),S('x'),S('2x')],[I(1),S('x'),S('1x')],[I(1),S('y'),S('1y')]])
T('k_comp_child', 'id pa pb', 'id', [[I(1),I(2),S('x')],[I(2),Z,S('nope')],[I(3),Z,Z]])
T('k_nopk', 'a b', '', [[I(1),S('dup')],[I(1),S('dup')],[Z,Z],[Z,Z],[I(2),S('x')]])
T('k_nopk_uq', 'a b', 'a', [[I(1),Z],[I(2),Z],[I(3),S('x')]])
T('k_floatkey', 'f v', 'v', [[F('0.1'),I(1)],[F('1e23'),I(2)],[F('3'),I(3)],[F('-Infinity'),I(4)]])
T('k_empty', 'id t', 'id', [])
T('k_rowid', 'rowid _rowid_ oid v', 'v', [[S('r'),S('_r'),S('o'),I(1)],[S('r2'),S('_r2'),S('o2'),I(2)]])
T('k_boolkey', 'b v', 'b', [[I(1),S('t')],[I(0),S('f')]])
# 13 FK
T('fk_tree', 'id parent_id v', 'id', [[I(1),Z,S('root')],[I(9),I(1),S('nine')],[I(2),I(9),S('child of a later id')],[I(3),I(3),S('own parent')],[I(4),I(2),S('deep')]])
T('fk_a', 'id b_id v', 'id', [[I(1),I(10),S('a1')],[I(2),I(20),S('a2')]])
T('fk_b', 'id a_id v', 'id', [[I(10),I(2),S('b10')],[I(20),I(1),S('b20')]])
T('fk_country', 'id iso name', 'id', [[I(1),C('CH'),S('Switzerland')],[I(2),C('KE'),S('Kenya')],[I(3),C('XX'),S('Nowhere')]])
T('fk_city', 'id iso cname v', 'id', [[I(1),C('CH'),S('Switzerland'),S('Bern')],[I(2),C('KE'),S('Kenya'),S('Nairobi')],[I(3),Z,Z,S('?')]])
# PostgreSQL itself holds an orphan here: stored only where the constraint is dropped (with a warning); refusing the table is fine too, losing the row is not
T('fk_notvalid', 'id ref', 'id', IR([(1,1),(2,424242)]), optional=True)
# 14
T('c_defaults', 'id a b c d e f g h i j k l m n o p q r s t u v w x y', 'id', [[I(1),I(1),S('b'),S('c'),TS('2024-01-15 10:30:45'),TS('2024-01-15 10:30:45'),S('2024-01-15'),S('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'),I(0),J('{}'),I(1),N('1.25'),J('["a"]'),O('P2D','2 days'),I(5),Z,TS('2024-01-15 10:30:45'),S('Q'),B('01'),S('10:30:45'),S('me'),F('1.5'),S('2024-01-15'),S('w'),I(2),S('sad')]])
T('c_checks', 'id status price qty email d1 d2 j code tags n nm nl', 'id', [[I(1),S('new'),N('1.5'),I(5),S('A.b@C.d'),S('2024-01-01'),S('2024-01-02'),J('{"a":1}'),S('ABC'),J('["x"]'),I(2),S('Ab'),S('A is fine: LIKE is case-sensitive in PostgreSQL')],[I(2),Z,Z,I(1)]+[Z]*9])
T('c_unique', 'id email a b active u1 u2 rng pos', 'id', [[I(1),S('A@x.org'),I(1),I(1),I(1),Z,S('same'),S('[1,5)'),I(1)],[I(2),S('b@x.org'),I(1),Z,I(0),Z,S('same'),S('[5,9)'),I(2)],[I(3),S('C@x.org'),Z,I(2),I(0),S('u'),S('same'),Z,I(3)],[I(4),Z,I(2),I(2),Z,S('U'),Z,S('empty'),I(4)]])
T('c_generated', 'id a b s full_name tax', 'id', [[I(1),I(1),I(2),I(3),S('n1'),N('0.19')],[I(2),Z,I(2),Z,Z,Z],[I(3),I(-7),I(3),I(-4),S('n-7'),N('-1.33')]])
T('c_dropped', 'id keep1 keep2 late', 'id', [[I(1),S('k'),I(2),S('fast default')],[I(2),S('k2'),I(3),S('given')]])
# 15 names
EXPECT['public|Order Details'] = dict(cols=['Order ID','select','group','a"b','x.y','naïve é','MixedCase','table','1st','?','rowid'], key=['Order ID'], rows=[[I(1),S('s'),S('g'),S('q'),S('d'),S('u'),I(5),I(6),I(7),S('qm'),I(8)]])
T('order', 'id references', 'id', IR([(1,1),(2,Z)]))
T('a_name_that_is_exactly_sixty_three_bytes_long_in_postgresql_okk', 'id a_column_that_is_exactly_sixty_three_bytes_long_in_postgres_okk', 'id', IR([(1,2)]))
T('json_each', 'id value', 'id', [[I(1),S('shadows a table-valued function')]])
T('w_100', ' '.join(f'c{i:03d}' for i in range(1,101)), 'c001', [[I(g*1000+i) for i in range(1,101)] for g in range(1,8)])
# 16 schemas
T('orders', 'id v', 'id', [[I(1),S('public')]])
T('sales|orders', 'id v pub', 'id', [[I(1),S('sales'),I(1)]])
T('Sales|orders', 'id v', 'id', [[I(1),S('Sales')]])
T('sales_orders', 'id v', 'id', [[I(1),S('public.sales_orders')]])
T('a|b_c', 'id v', 'id', [[I(1),S('a.b_c')]]); T('a_b|c', 'id v', 'id', [[I(1),S('a_b.c')]]); T('sales|idx_v2', 'id', 'id', IR([(1,)]))
# 17
T('p_log', 'id at v', 'id', [[I(1),S('2023-05-05'),S('a')],[I(2),S('2024-05-05'),S('x')],[I(3),S('2024-06-06'),S('y')],[I(4),S('1999-01-01'),S('old')],[I(5),S('2024-07-07'),Z]])
T('i_parent', 'id v', 'id', [[I(1),S('parent only')]])            # ONLY the parent's own rows: SELECT without ONLY returns 3 rows with id 1 twice
T('i_child', 'id v extra', 'id', [[I(1),S('child, same id as the parent row'),S('e')],[I(2),S('child'),S('f')]])
T('r_rls', 'id tenant v', 'id', [[I(1),S('a'),S('x')],[I(2),S('b'),S('y')],[I(3),S('a'),S('z')]])
T('r_trig', 'id v', 'id', [[I(1),S('a!')]]); T('r_unlogged', 'id', 'id', IR([(1,)]))
# 19 mid-size
def micro(n): return '' if n == 0 else ('.%06d' % n).rstrip('0')
def m_users():
    out = []
    for i in range(1, 5001):
        nm = f'User {i}' + (" O'Brien" if i % 10 == 0 else ' ü\U0001F600' if i % 7 == 0 else '')
        t = datetime(2020,1,1) + timedelta(seconds=i*3607); us = i % 1000000 if i % 5 == 0 else 0
        sc = i*37 % 1000000
        out.append([I(i),S(nm),S(f'u{i}@example.org'),TS(t.strftime('%Y-%m-%d %H:%M:%S')+micro(us)),I(int(i%3!=0)),Z if i%11==0 else N(f'{sc//100}.{sc%100:02d}'),J(json.dumps({"n":i,"tags":[f't{i%5}',f't{i%3}'],"big":9007199254740993+i})),Z if i%4==0 else I((i*7919)%5000+1)])
    return out
T('m_users', 'id name email created active score meta referrer', 'id', m_users)
def m_events():
    out = []
    for i in range(1, 20001):
        t = datetime(2021,6,1) + timedelta(seconds=61*i); a = i % 100000
        out.append([I(9007199254740000+i),I((i*31)%5000+1),S(['view','click','buy'][i%3]),TS(t.strftime('%Y-%m-%d %H:%M:%S')+('.5' if i%2 else '')),N(f'{a//100}.{a%100:02d}') if i%3==2 else Z,S(f'10.{i//65536%256}.{i//256%256}.{i%256}'),F(repr(i/7.0)),JX('{"i": %d, "s": "%d"}' % (i, i%13)),B(hashlib.md5(str(i).encode()).hexdigest()) if i%50==0 else Z])
    return out
T('m_events', 'id user_id kind at amount ip ratio payload raw', 'id', m_events)
# 20 extensions (only when installed at the source)
T('x_hstore', 'id h', 'id', [[I(1),O('{"a": "1", "b c": null, "q\\"x": "NULL"}','"a"=>"1", "b c"=>NULL, "q\\"x"=>"NULL"')],[I(2),O('{}','')],[I(3),Z]], optional=True)
T('x_citext', 'id c', 'id', [[I(1),S('Hello')],[I(2),S('hELLO2')],[I(3),S('ÉtÉ'.replace('tÉ','té'))],[I(4),Z]], optional=True)
T('x_ltree', 'id p pa', 'id', [[I(1),S('Top.Science.Astronomy'),J('["A.B","C"]')],[I(2),S(''),J('[]')],[I(3),Z,Z]], optional=True)
T('x_cube', 'id c', 'id', [[I(1),S('(1, 2, 3)')],[I(2),S('(0, 0),(1, 1)')]], optional=True)

# Objects that must produce a refusal or a warning (class, object, words the message must contain). 'refuse' = object not moved, the rest is.
MESSAGES = [
 ('refuse','refuse|cols_101',['101','100']), ('refuse','refuse|case_cols',['"A"','"a"','case']), ('refuse_or_rename','refuse|Dup',['dup','case']), ('refuse_or_rename','refuse|_cf_kv',['_cf_','reserved']),
 ('refuse_or_rename','refuse|sqlite_thing',['sqlite_','reserved']), ('refuse','refuse|zero_cols',['no columns']), ('refuse','refuse|too_big_value',['2,000,000','id=2','id=3']), ('refuse','refuse|too_big_row',['row','2,000,000','id=1']),
 ('warn','public|t_floats',['NaN','3']), ('warn','public|t_numeric',['NaN']), ('warn','public|t_ts',['infinity','BC','10000']), ('warn','public|t_ints',['2^53']), ('warn','public|t_json_deep',['json_valid']),
 ('warn','public|c_checks',['email','~*','not translated']), ('warn','public|c_unique',['NULLS NOT DISTINCT','EXCLUDE','DEFERRABLE']), ('warn','public|c_defaults',['gen_random_uuid','nextval']),
 ('warn','public|fk_notvalid',['NOT VALID','424242']), ('warn','public|k_ident_always',['1010']), ('warn','public|mv_counts',['materialized']), ('warn','public|v_orders',['view']), ('warn','public|r_trig',['trigger']), ('warn','public|r_rls',['row level security']),
 ('ask','sales|orders',['sales_orders']), ('ask','a|b_c',['a_b_c']), ('ask','Sales|orders',['case']),
]
