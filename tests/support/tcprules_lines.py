"""Lines for tcprules: what the original takes, and what it refuses."""

from __future__ import annotations

TAKEN = (
    b"""\

\x20
\t \t
#
# comment: deny
#1:deny
 #1:deny
no colon
1.2.3.4
1.2.3.4 deny
allow
deny,X
:deny
:allow
:allow,A=/::/
 :deny
\t:deny
1.2.3.4:deny
1.2.3.4:allow
1.2.3.4:deny \t
1.2.3.4:allow\t\t\x20\x20
1.2.3.:deny
1.2.:deny
1.:deny
1:deny
.:deny
..:deny
1.2.3.4.5:deny
256.0.0.1:deny
01.002.0.1:allow
1.2.3.4 :deny
=a.b.org:deny
=.org:allow
=:deny
=.:deny
==:deny
=a=b:deny
=UPPER.Org:deny
=1.2.3.4:deny
=a-b.c-d:deny
=1-2.:deny
joe@1.2.3.4:deny
joe@=a.org:deny
@1.2.3.4:deny
@:deny
@=:deny
joe@1.2.3.:allow
joe@1-3:deny
a@b@1.2.3.4:deny
joe smith@1.1.1.1:deny
1.2.3.37-53:deny
1.2.3.37-37:deny
1.2.3.53-37:deny
1.2-4.:deny
1-3:deny
1-3.:deny
1-3.2.:allow
1-3.4-6.:deny
0-0:deny
1.2.3.250-999:deny
1.2.3.999-1000:deny
1.2.3.-5:deny
1.2.3.3-:deny
-:deny
-.:deny
5.-.6:deny
007-010.:deny
1.2.3-.4:deny
18446744073709551614-3.:deny
18446744073709551617-3.:deny
1-99999999999999999999999999999999999999999999999999:deny
1\0x-3.:deny
1.2.3.4/x:deny
a/24:deny
x/:deny
=h/24:deny
j@1.0.0.0/8:deny
[1.2.3.4]:deny
[10.0.0.0]/8:deny
1.2.3.4%x:deny
localhost:deny
\xff\xfe:deny
a\0b:deny
\0:allow
\r:deny
deny:deny
2001:deny
1:allow,A="b"
1:allow,A=/b/
1:allow,A=,b,
1:allow,A==b=
1:allow,A=aba
1:allow,A=""
1:allow,=""
1:allow,A=\0b\0
1:allow,A=#b#
1:allow,A=:b:
1:allow,A=xbx,B=ycy
1:allow,A="b"\x20\x20\x20
1:allow,A="b=c"
1:allow,A="b,c",B="d:e"
1:allow,A=''
1:allow,A="x\0y"
1:allow,A\0B="x"
1:allow, A="x"
1:allow,A ="x"
1:allow,A,B="x"
1:allow,,A="x"
1:allow,A="1",A="2"
1:allow,D="x"
1:deny,A="b"
1:deny,A="b",B=/c/
1:deny,=""
1:allow,+A="x"
1:allow,TCPREMOTEIP="9.9.9.9",PATH="",RELAYCLIENT="@fix.me"
127.:allow,MAXCONNIP=/5/,MAXCONNC=/15/,DIEMSG=/421 come later/
""".split(b"\n")
    + [
        b"0" * 5000 + b"1-3.:deny",
        b"1-" + b"9" * 5000 + b".:deny",
        b"1:allow,A=/" + b"x" * 70000 + b"/",
        b"y" * 70000 + b":deny",
        b"#" + b"z" * 200000 + b":allow",
        b"w" * 200000,
        *(b"%d.7.:allow" % n for n in range(300)),
    ]
)

REFUSED = b"""\
1:allow,A= b\x20
1:allow,A=\x20\x20
1:allow,A=\tb\t
1:
1::
::
:
1:x
1: deny
1:\tdeny
1:Deny
1:ALLOW
1:den
1:allo
1:alow
1:accept
1:denied
1:denyX
1:allowed
1:deny\r
1:allow,A="x"\r
1:allow A
1:allow ,A=/b/
1:allow;A=/b/
1:allow,
1:deny,
1:allow,A
1:allow,A=
1:allow,A=/
1:allow,A="x
1:allow,A=/b
1:allow,A=/b/x
1:allow,A=/b//
1:allow,A=/b/,
1:allow,=x
1:allow,A=/b/B=/c/
1:allow,A=/b/ ,B=/c/
1:allow,A=/b/,B
1:allow,A=\x20
1:allow\0
1:\0deny
1:deny\0x
1:x\0y
1:allow,A=\0b
a-b:deny
1-b:deny
a-1:deny
1-2-3:deny
1.2.3.4--5:deny
a-.:deny
1.x-3.:deny
my-host:deny
 1-2:deny
1- 2:deny
1-2 :deny
1-2/24:x
1-2/24:deny
10.0.0.0/8:x
10.0.0.0/8:
http://1.2.3.4/:deny""".split(b"\n")
