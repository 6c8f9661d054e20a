#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Certificates and servers, good and bad, by the hundred.

    cases.py make DIR   makes certificates, and DIR/list for tests/prog/tls_cases
    cases.py rules DIR PORTS   the file for TLSSHIM_CONFIG, on stdout
    cases.py judge DIR PORTS KNOCKS LOG   compares what the shim and openssl say

PORTS has a line "NAME PORT" for each case, KNOCKS what tests/prog/knock said
at each port in that order.  Each case below is one call of accept() or
refuse(), grouped by what is wrong or unusual in it.  In a case
    host      whom the server must be
    leaf...   what differs from a good certificate, see cert()
    chain     what the server sends behind the leaf
    trust     what the client's CA file holds (default: the root)
    settings  further keys of the section
    differs   openssl s_client is of another opinion, and why we are right
    says      a regular expression for the shim's line
"""
import datetime
import ipaddress
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID as EKU

from certs import (DAY, NOW, PEM, SHA256, cert, crl, crl_point, crl_scope, key,
                   name_of, pin, reencoded, response, restricted, unknown)

HOST = "db.test"
# What the shim asks of OpenSSL where there are CRLs.
CRL_CHECKS = ["-crl_check_all", "-extended_crl", "-use_deltas"]
CASES = []

ROOT = cert("root", ca=True)
INTER = cert("intermediate", ROOT, ca=True)
OTHER = cert("other root", ca=True)


def good(issuer=ROOT, names=HOST, cn="leaf", **more):
    return cert(cn, issuer, names=names, **more)


def case(expect, name, leaf=None, chain=(), trust=(ROOT,), host=HOST,
         settings=None, differs=None, crls=None, staple=None, s_client=(),
         says=None):
    assert name not in [c["name"] for c in CASES], name
    CASES.append({"name": name, "expect": expect, "leaf": leaf or good(),
                  "chain": list(chain), "trust": list(trust), "host": host,
                  "settings": settings or {}, "differs": differs,
                  "crls": crls, "staple": staple, "s_client": list(s_client),
                  "says": says})


def accept(name, *args, **more):
    case("accept", name, *args, **more)


def refuse(name, *args, **more):
    case("refuse", name, *args, **more)


# ---- the cases

def names():
    for names, host in [
            ("db.test", "db.test"), ("DB.TEST", "db.test"),
            ("db.test", "DB.Test"), ("db.test", "db.test."),
            ("a.test,b.test,db.test", "db.test"),
            ("URI:http://x/,db.test", "db.test"),
            ("EMAIL:a@b.test,db.test", "db.test"),
            ("IP:10.0.0.1,db.test", "db.test"),
            (",".join(f"n{i}.test" for i in range(200)), "n199.test"),
            ("*.db.test", "a.db.test"), ("*.DB.test", "x-1.db.test"),
            ("*.db.test,db.test", "db.test"),
            ("*.b.c.d.test", "a.b.c.d.test"), ("*.db.test", "1.db.test"),
            ("a_b.test", "a_b.test"), ("1.test", "1.test"),
            ("localhost", "localhost"), ("a-b-c.d-e.test", "a-b-c.d-e.test"),
            ("xn--bcher-kva.test", "xn--bcher-kva.test"),
            ("*.xn--bcher-kva.test", "a.xn--bcher-kva.test"),
            ("*.db.test", "xn--bcher-kva.db.test"),
            ("x" * 63 + ".test", "x" * 63 + ".test"),
            (".".join(["y" * 60] * 4), ".".join(["y" * 60] * 4)),
            ("IP:10.0.0.1", "10.0.0.1"), ("IP:::1", "::1"),
            ("IP:2001:db8::1", "2001:db8:0:0::1"),
            ("IP:2001:db8::1", "2001:0DB8::0001"),
            ("IP:10.0.0.2,IP:10.0.0.1", "10.0.0.1"),
            ("db.test,IP:10.0.0.1", "10.0.0.1"),
            ("IP:127.0.0.1", "127.0.0.1"), ("IP:0.0.0.1", "0.0.0.1")]:
        accept(f"name {names[:40]} for {host[:40]}", good(names=names),
               host=host)
    accept("mapped address as IPv4", good(names="IP:10.0.0.1"),
           host="::ffff:10.0.0.1", differs="a mapped address is the IPv4 one")
    for names, host, differs in [
            ("other.test", HOST, None), ("xdb.test", HOST, None),
            ("b.test", HOST, None), ("test", HOST, None),
            ("a.db.test", HOST, None), ("db.test.evil.test", HOST, None),
            ("db.test", "a.db.test", None), (".test", HOST, None),
            (".db.test", "a.db.test", None), ("db.test.", HOST, None),
            ("db.test\0.evil.test", HOST, None), ("db.test\0", HOST, None),
            ("\0db.test", HOST, None), (" db.test", HOST, None),
            ("db.test ", HOST, None), ("db..test", HOST, None),
            ("http://db.test/", HOST, None), ("db.test:443", HOST, None),
            ("URI:http://db.test/", HOST, None),
            ("EMAIL:root@db.test", HOST, None),
            ("*.test", HOST, None), ("*", HOST, None), ("*.", HOST, None),
            ("*", "localhost", None), ("*.*.test", "a.b.test", None),
            ("a.*.test", "a.b.test", None), ("a.b.*", "a.b.test", None),
            ("**.db.test", "a.db.test", None),
            ("*a.db.test", "a.db.test", "partial wildcard"),
            ("a*.db.test", "a.db.test", "partial wildcard"),
            ("a*.db.test", "ab.db.test", "partial wildcard"),
            ("*b.db.test", "ab.db.test", "partial wildcard"),
            ("a*c.db.test", "abc.db.test", None),
            ("*.db.test", HOST, None), ("*.db.test", "a.b.db.test", None),
            ("*.db.test", "xdb.test", None), ("*db.test", "xdb.test", None),
            ("xn--*.db.test", "xn--bcher-kva.db.test", None),
            ("*-kva.test", "xn--bcher-kva.test", None),
            ("10.0.0.1", "10.0.0.1", None), ("*.0.0.1", "10.0.0.1", None),
            ("::1", "::1", None), ("IP:10.0.0.2", "10.0.0.1", None),
            ("IP:::2", "::1", None), ("IP:::a00:1", "10.0.0.1", None),
            ("IP:10.0.0.1", HOST, None), ("db.test", "10.0.0.1", None),
            ("URI:https://10.0.0.1/", "10.0.0.1", None),
            ("IP:::ffff:10.0.0.1", "10.0.0.1", None)]:
        refuse(f"name {names[:40]!r} for {host}", good(names=names),
               host=host, differs=differs)
    refuse("CN alone", good(names=None, cn=HOST),
           differs="the CN never counts",
           says=r"it is for no name; CN=db.test.*; have .* subjectAltName")
    refuse("CN beside a mail address",
           good(names="EMAIL:a@b.test", cn=HOST),
           differs="the CN never counts")
    refuse("CN beside another name", good(names="other.test", cn=HOST))
    refuse("address in the CN", good(names=None, cn="10.0.0.1"),
           host="10.0.0.1")
    refuse("no name at all", good(names=None))
    for i, names in enumerate([
            "OTHER:db.test", "DIR:db.test", "OTHER:db.test,DIR:db.test",
            "EMAIL:db.test", "URI:db.test", "OTHER:db.test,other.test"]):
        refuse(f"other kinds of names {i}", good(names=names))
    for names in ("OTHER:x,db.test", "DIR:x,db.test", "db.test,OTHER:x"):
        accept(f"name {names}", good(names=names))
    refuse("address as a name, and what is said of it", good(names="10.0.0.1"),
           host="10.0.0.1", says="is for the name 10.0.0.1; CN=leaf")
    many = ",".join(f"n{i}.many.test" for i in range(3000))
    accept("the last of 3000 names", good(names=many), host="n2999.many.test")
    refuse("none of 3000 names", good(names=many),
           says=r"n5.many.test and 2994 more; CN=leaf")
    refuse("no subject and no name", good(names=None, subject=x509.Name([])))


def name_tables():
    """RFC 9525, section 6.3, as a table: each name for each host."""
    hosts = ["db.test", "a.db.test", "b.a.db.test", "A.DB.test", "xn--a.db.test",
             "a-b.db.test", "a_b.db.test", "_a.db.test", "test", "adb.test"]
    names = ["db.test", "*.db.test", "a.db.test", "*.a.db.test", "A.db.TEST",
             "xn--a.db.test", "*.test", "*", "a*.db.test", "*a.db.test",
             "xn--*.db.test", "*.*.test", "*.*.db.test", "a.*.test", ".db.test",
             "*.db.test.", "a_b.db.test", "_a.db.test", "*_b.db.test",
             "*-b.db.test", "**.db.test", "*.xn--a.db.test", "db.test.test",
             "www*.db.test", "*.db", "test", "*.TEST", "d?.test", "[ab].db.test",
             "a.db.test:443", "a.db.test/", "%61.db.test", "a.db.test,b.db.test"]
    partial = ("a*.db.test", "*a.db.test", "*-b.db.test")
    for name in names:
        leaf = good(names=name)
        for host in hosts:
            fine = any(is_for(n, host.lower()) for n in name.lower().split(","))
            differs = not fine and name in partial and partial_match(
                name, host.lower())
            case("accept" if fine else "refuse", f"{name} for {host}", leaf,
                 host=host, differs="partial wildcard" if differs else None)


def is_for(name, host):
    """A wildcard is the whole first label, stands for one label of letters,
    digits and hyphens, and two labels follow it."""
    first, _, rest = host.partition(".")
    if not name.startswith("*."):
        return name == host
    return (rest == name[2:] and rest.count(".") > 0 and "*" not in rest
            and re.fullmatch("[a-z0-9-]+", first) is not None)


def partial_match(name, host):
    """What OpenSSL takes by default: not for IDNA labels."""
    pattern = re.escape(name).replace(r"\*", "[a-z0-9-]*")
    return (re.fullmatch(pattern, host) is not None
            and not host.startswith("xn--"))


def subjects():
    for i, (subject, critical) in enumerate([
            (x509.Name([]), True), (name_of(None, ORGANIZATION_NAME="O"), False),
            (name_of("x", COUNTRY_NAME="DE"), False),
            (name_of("B\u00fccher \u2603"), False), (name_of("y" * 64), False),
            (name_of("z", EMAIL_ADDRESS="a@b.test"), False),
            (name_of("other.test"), False), (name_of("*.*"), False)]):
        accept(f"subject {i}", good(subject=subject, names_critical=critical))
    for serial in (1, 127, 128, 2**64, 2**158):
        accept(f"serial {serial:x}", good(serial=serial))


def dates():
    far = datetime.datetime(2050, 1, 1), datetime.datetime(9999, 12, 31)
    past = datetime.datetime(1950, 1, 1), datetime.datetime(1999, 12, 31)
    hour = DAY / 24
    for i, end in enumerate(far):
        accept(f"leaf ends late {i}", good(end=end))
        root = cert("root", ca=True, end=end)
        accept(f"root ends late {i}", good(root), trust=[root])
    for i, start in enumerate(past):
        accept(f"leaf begins early {i}", good(start=start))
    accept("leaf ends in an hour", good(end=NOW + hour))
    accept("leaf began an hour ago", good(start=NOW - hour))
    for what, bad in [("expired", dict(start=-60, end=-1)),
                      ("expired an hour ago", dict(end=NOW - hour)),
                      ("expired long ago", dict(start=past[0], end=past[1])),
                      ("not yet valid", dict(start=1, end=30)),
                      ("not valid for an hour", dict(start=NOW + hour)),
                      ("not valid before 2050", dict(start=far[0], end=far[1]))]:
        refuse(f"leaf {what}", good(**bad),
               says=r"(expired|before) \d+-\d\d-\d\d \(CN=leaf.*; renew")
        inter = cert("intermediate", ROOT, ca=True, **bad)
        refuse(f"intermediate {what}", good(inter), [inter],
               says=r" \(depth 1, CN=intermediate.*; replace this CA's")
        root = cert("root", ca=True, **bad)
        refuse(f"root {what}", good(root), trust=[root])


def constraints_of_cas():
    for what, bad in [
            ("no basicConstraints", dict(bc=None)),
            ("CA:FALSE", dict(bc=False)),
            ("no keyCertSign", dict(ku="digital_signature")),
            ("crlSign only", dict(ku="crl_sign")),
            ("unknown critical extension", dict(more=[unknown(True)])),
            ("EKU of clients", dict(eku=[EKU.CLIENT_AUTH])),
            ("EKU of mail", dict(eku=[EKU.EMAIL_PROTECTION])),
            ("EKU of code", dict(eku=[EKU.CODE_SIGNING]))]:
        inter = cert("intermediate", ROOT, ca=True, **bad)
        refuse(f"intermediate with {what}", good(inter), [inter],
               says=r"may not sign certificates \(key usage\)"
               if "ku" in bad else None)
        root = cert("root", ca=True, **bad)
        # OpenSSL takes a self-signed anchor with keyCertSign for a CA.
        case("accept" if what == "no basicConstraints" else "refuse",
             f"root with {what}", good(root), trust=[root])
    for what, fine in [
            ("EKU of servers", dict(eku=[EKU.SERVER_AUTH])),
            ("EKU of both", dict(eku=[EKU.CLIENT_AUTH, EKU.SERVER_AUTH])),
            ("any EKU and servers", dict(
                eku=[EKU.ANY_EXTENDED_KEY_USAGE, EKU.SERVER_AUTH])),
            ("unknown extension", dict(more=[unknown(False)])),
            ("no keyUsage", dict(ku=None)),
            ("keyUsage that is not critical", dict(ku_critical=False)),
            ("more keyUsage",
             dict(ku="key_cert_sign crl_sign digital_signature")),
            ("basicConstraints that are not critical", dict(bc_critical=False)),
            ("no AKI", dict(aki=False)), ("no SKI", dict(ski=False))]:
        inter = cert("intermediate", ROOT, ca=True, **fine)
        accept(f"intermediate with {what}", good(inter), [inter])
        root = cert("root", ca=True, **fine)
        accept(f"root with {what}", good(root), trust=[root])
    leaf = good()
    refuse("a leaf as an issuer", good(leaf), [leaf])
    refuse("a leaf of an intermediate as an issuer",
           good(good(INTER)), [good(INTER), INTER])
    for limit, length, fine in [(0, 0, True), (1, 0, True), (1, 1, True),
                                (2, 2, True), (0, 1, False), (1, 2, False),
                                (0, 2, False)]:
        for place in "root", "intermediate":
            at = top = cert("root", ca=True, pathlen=limit) \
                if place == "root" else ROOT
            chain = []
            if place == "intermediate":
                at = cert("limited", ROOT, ca=True, pathlen=limit)
                chain = [at]
            for i in range(length):
                at = cert(f"level {i}", at, ca=True)
                chain.insert(0, at)
            case("accept" if fine else "refuse",
                 f"pathlen {limit} of the {place} with {length} below",
                 good(at), chain, [top],
                 says=None if fine else r"than one of them allows \(path length")


def usages_of_leaves():
    both = [EKU.SERVER_AUTH, EKU.CLIENT_AUTH]
    for i, fine in enumerate([
            dict(ku=None), dict(ku="digital_signature key_encipherment"),
            dict(ku="digital_signature key_agreement"),
            dict(ku_critical=False), dict(eku=None), dict(eku=both),
            dict(eku=[EKU.SERVER_AUTH], eku_critical=True),
            dict(eku=[EKU.ANY_EXTENDED_KEY_USAGE, EKU.SERVER_AUTH]),
            dict(bc=None), dict(bc_critical=False),
            dict(more=[unknown(False)]), dict(aki=False), dict(ski=False),
            dict(aki=False, ski=False),
            dict(ca=True, eku=[EKU.SERVER_AUTH],
                 ku="digital_signature key_cert_sign")]):
        accept(f"leaf usage {i}", good(**fine))
        accept(f"leaf usage {i} below an intermediate", good(INTER, **fine),
               [INTER])
    for what, bad in [
            ("EKU of clients", dict(eku=[EKU.CLIENT_AUTH])),
            ("EKU of mail", dict(eku=[EKU.EMAIL_PROTECTION])),
            ("EKU of code", dict(eku=[EKU.CODE_SIGNING])),
            ("EKU of OCSP", dict(eku=[EKU.OCSP_SIGNING])),
            ("EKU of time stamps", dict(eku=[EKU.TIME_STAMPING])),
            ("EKU unknown", dict(eku=[x509.ObjectIdentifier("1.2.3.4")])),
            ("keyUsage of a CRL's signer", dict(ku="crl_sign")),
            ("keyUsage of a CA", dict(ku="key_cert_sign")),
            ("any EKU alone", dict(eku=[EKU.ANY_EXTENDED_KEY_USAGE])),
            ("keyUsage of nothing for TLS", dict(ku="content_commitment")),
            ("unknown critical extension", dict(more=[unknown(True)]))]:
        says = next((text for begin, text in [
            ("EKU", r"TLS servers \(extended key usage\) .*made for TLS"),
            ("any EKU", r"TLS servers \(extended key usage\)"),
            ("key", r"TLS servers \(key usage\)"),
            ("unknown", r"unknown critical extension, 1\.2\.3\.4\.5 \(")]
                     if what.startswith(begin)))
        refuse(f"leaf with {what}", good(**bad), says=says)
        refuse(f"leaf with {what} below an intermediate",
               good(INTER, **bad), [INTER])


def encodings():
    """What no careful CA makes."""
    def version_1(tbs):
        return tbs.replace(bytes.fromhex("a003020102"), b"", 1)

    bare = dict(bc=None, ku=None, eku=None, ski=False, aki=False)
    root = cert("root", ca=True, **bare)
    accept("version 1 root", good(root), trust=[reencoded(root, version_1)])
    inter = cert("intermediate", ROOT, ca=True, **bare)
    refuse("version 1 intermediate", good(inter),
           [reencoded(inter, version_1)], says="not one of a CA")
    refuse("version 1 leaf", reencoded(good(names=None, **bare), version_1),
           says="no name; .* subjectAltName")
    refuse("version 1 leaf with the name as CN", reencoded(
        good(names=None, cn=HOST, **bare), version_1), differs="CN")
    serial = good(serial=0x11223344)
    for what, number in [("zero", "020100"), ("negative", "0204f1223344")]:
        accept(f"serial number {what}", reencoded(
            serial, lambda tbs, n=number: tbs.replace(
                bytes.fromhex("020411223344"), bytes.fromhex(n), 1)))
    refuse("another signature algorithm outside", reencoded(
        good(), lambda tbs: tbs, bytes.fromhex("300a06082a8648ce3d040303")))
    for what, oid in [("subjectAltName", "1d11"), ("keyUsage", "1d0f"),
                      ("basicConstraints", "1d13"), ("extKeyUsage", "1d25")]:
        extra = (x509.UnrecognizedExtension(
            x509.ObjectIdentifier("2.5.29.99"), b"\x30\x00"), False)

        def twice(tbs, oid=oid):
            return tbs.replace(bytes.fromhex("0603551d63"),
                               bytes.fromhex("060355" + oid))

        # As a leaf OpenSSL's server will not have it.
        inter = cert("intermediate", ROOT, ca=True, more=[extra],
                     names="x.test", eku=[EKU.SERVER_AUTH])
        refuse(f"{what} of the intermediate twice", good(inter),
               [reencoded(inter, twice)])
    for what, oid in [("subjectAltName", "2.5.29.17"),
                      ("nameConstraints", "2.5.29.30"),
                      ("CRL distribution points", "2.5.29.31"),
                      ("authority key identifier", "2.5.29.35")]:
        broken = (x509.UnrecognizedExtension(
            x509.ObjectIdentifier(oid), b"\x30\x03\x02\x01"), False)
        inter = cert("intermediate", ROOT, ca=True, aki=False, more=[broken])
        refuse(f"damaged {what} of the intermediate", good(inter), [inter],
               says=r"issuer's certificate: its extension \w+ is malformed")
    refuse("empty subject and an unknown issuer",
           good(OTHER, subject=x509.Name([])), says=r"\(no subject, issuer")
    for option, where, fine in [
            ("-addtrust serverAuth", ROOT, True),
            ("-addtrust anyExtendedKeyUsage", ROOT, True),
            ("-addreject clientAuth", ROOT, True),
            ("-addtrust serverAuth", INTER, True),
            ("-addtrust clientAuth", ROOT, False),
            ("-addreject serverAuth", ROOT, False),
            ("-addreject anyExtendedKeyUsage", ROOT, False),
            ("-addreject serverAuth", INTER, False)]:
        case("accept" if fine else "refuse",
             f"{where.x.subject.rfc4514_string()} with {option}", good(INTER),
             [INTER], [restricted(where, *option.split())],
             s_client=["-partial_chain"],
             says=None if fine else "restrictions.*-clrtrust")


def name_constraints():
    for i, (permit, exclude, names, host, fine) in enumerate([
            ("test", None, HOST, HOST, True),
            ("db.test", None, HOST, HOST, True),
            ("other.test test", None, HOST, HOST, True),
            ("DB.TEST", None, HOST, HOST, True),
            ("db.test", None, "a.db.test", "a.db.test", True),
            (None, "other.test", HOST, HOST, True),
            ("test", "other.test", HOST, HOST, True),
            ("10.0.0.0/8", None, "IP:10.1.2.3", "10.1.2.3", True),
            (None, "10.0.0.0/8", "IP:11.1.2.3", "11.1.2.3", True),
            ("2001:db8::/32", None, "IP:2001:db8::5", "2001:db8::5", True),
            ("10.0.0.0/8", None, HOST, HOST, True),
            ("test", None, "*.db.test", "a.db.test", True),
            ("other.test", None, HOST, HOST, False),
            ("b.test", None, HOST, HOST, False),
            ("a.db.test", None, HOST, HOST, False),
            (None, "test", HOST, HOST, False),
            (None, "db.test", HOST, HOST, False),
            (None, "DB.test", HOST, HOST, False),
            ("test", "db.test", HOST, HOST, False),
            ("test", None, "db.test,evil.example", HOST, False),
            (None, "db.test", "x.db.test,ok.test", "ok.test", False),
            ("11.0.0.0/8", None, "IP:10.1.2.3", "10.1.2.3", False),
            (None, "10.0.0.0/8", "IP:10.1.2.3", "10.1.2.3", False),
            ("2001:db8::/32", None, "IP:2001:db9::5", "2001:db9::5", False),
            ("test", None, "*.example", "a.example", False)]):
        for place in "root", "intermediate":
            limits = dict(permit=permit, exclude=exclude)
            root = cert("root", ca=True,
                        constrain=limits if place == "root" else None)
            inter = cert("intermediate", root, ca=True,
                         constrain=None if place == "root" else limits)
            case("accept" if fine else "refuse",
                 f"name constraint {i} of the {place}",
                 good(inter, names), [inter], [root], host)


def other_name_constraints():
    """Of names that a TLS client does not look at, and of subjects."""
    for i, (permit, exclude, leaf, fine) in enumerate([
            ("EMAIL:mail.test", None, dict(names=HOST), True),
            ("EMAIL:mail.test", None, dict(names=f"{HOST},EMAIL:a@mail.test"),
             True),
            ("EMAIL:mail.test", None, dict(names=f"{HOST},EMAIL:a@x.test"),
             False),
            (None, "EMAIL:mail.test", dict(names=f"{HOST},EMAIL:a@mail.test"),
             False),
            ("EMAIL:mail.test", None, dict(
                names=HOST, subject=name_of("x", EMAIL_ADDRESS="a@x.test")),
             False),
            ("DIR:leaf", None, dict(names=HOST), True),
            ("DIR:other", None, dict(names=HOST), False),
            (None, "DIR:leaf", dict(names=HOST), False),
            (None, "DIR:other", dict(names=HOST), True),
            ("DIR:other", None, dict(names=HOST, subject=x509.Name([])), True),
            # Without a DNS name OpenSSL takes a CN that looks like one for it.
            ("test", None, dict(names="IP:10.0.0.1", cn="a.example"), False),
            ("test", None, dict(names="IP:10.0.0.1", cn="a.test"), True),
            ("test", None, dict(names="IP:10.0.0.1", cn="no host"), True),
            (None, "example", dict(names="IP:10.0.0.1", cn="a.example"), False),
            ("0.0.0.0/0", None, dict(names="IP:10.0.0.1"), True),
            (None, "0.0.0.0/0", dict(names="IP:10.0.0.1"), False),
            (None, "0.0.0.0/0", dict(names="IP:2001:db8::1"), True),
            (None, "::/0", dict(names="IP:10.0.0.1"), True),
            ("10.0.0.1/32", None, dict(names="IP:10.0.0.1"), True),
            ("10.0.0.0/31", None, dict(names="IP:10.0.0.2"), False)]):
        names = leaf["names"]
        inter = cert("intermediate", ROOT, ca=True,
                     constrain=dict(permit=permit, exclude=exclude))
        case("accept" if fine else "refuse", f"other name constraint {i}",
             good(inter, **leaf), [inter],
             host=names[3:] if names.startswith("IP:") else HOST,
             says=None if fine else r"name constraints\) \(")
    outer = cert("outer", ROOT, ca=True, constrain=dict(permit="test"))
    for i, (limits, names, host, fine) in enumerate([
            (dict(permit="db.test"), HOST, HOST, True),
            (dict(permit="db.test"), "x.test", "x.test", False),
            (dict(permit="example"), "db.example", "db.example", False),
            (dict(permit="example test"), HOST, HOST, True),
            (dict(exclude="a.test"), HOST, HOST, True),
            (dict(exclude="a.test"), "a.test", "a.test", False)]):
        inner = cert("inner", outer, ca=True, constrain=limits)
        case("accept" if fine else "refuse", f"nested name constraint {i}",
             good(inner, names), [inner, outer], host=host)
    # A certificate that a CA issued to itself is not bound, its last is.
    inter = cert("intermediate", ROOT, ca=True, constrain=dict(permit="test"))
    again = cert("intermediate", inter, ca=True, k=key("again"),
                 subject=inter.x.subject)
    accept("self-issued below a name constraint", good(again), [again, inter])
    refuse("leaf below a self-issued one, beyond the constraint",
           good(again, names="db.example"), [again, inter], host="db.example")
    many = " ".join(f"n{i}.test" for i in range(1100))
    inter = cert("intermediate", ROOT, ca=True,
                 constrain=dict(permit=many + " db.test"))
    accept("1101 name constraints", good(inter), [inter])
    refuse("too many names for so many constraints", good(
        inter, names=",".join(f"n{i}.test" for i in range(1100))), [inter],
           host="n1.test")


def keys_and_digests():
    md = {"sha384": hashes.SHA384(), "sha512": hashes.SHA512(),
          "sha224": hashes.SHA224(), "sha1": hashes.SHA1(),
          "md5": hashes.MD5()}
    for kind in ("p384", "p521", "ed25519", "ed448", "rsa2048", "rsa3072"):
        k = key(kind, kind)
        accept(f"leaf key {kind}", good(k=k))
        inter = cert("intermediate", ROOT, ca=True, k=k)
        accept(f"intermediate key {kind}", good(inter), [inter])
        root = cert("root", ca=True, k=k)
        accept(f"root key {kind}", good(root), trust=[root])
    for kind in ("rsa1024", "rsa1536", "p192"):
        k = key(kind, kind)
        size = re.sub(r"\D+", "", kind)
        refuse(f"leaf key {kind}", good(k=k),
               says=f"too short: RSA {size} bits .*; renew" if "rsa" in kind
               else None)
        inter = cert("intermediate", ROOT, ca=True, k=k)
        refuse(f"intermediate key {kind}", good(inter), [inter])
        root = cert("root", ca=True, k=k)
        refuse(f"root key {kind}", good(root), trust=[root])
    for digest in ("sha384", "sha512", "sha224"):
        accept(f"leaf signed with {digest}", good(digest=md[digest]))
        inter = cert("intermediate", ROOT, ca=True, digest=md[digest])
        accept(f"intermediate signed with {digest}", good(inter), [inter])
    rsa_root = cert("rsa root", ca=True, k=key("rsa2048", "rsa2048"))
    for digest, root in [("sha1", ROOT), ("sha1", rsa_root), ("md5", rsa_root)]:
        what = f"{digest} of {root.x.subject.rfc4514_string()}"
        refuse(f"leaf signed with {what}",
               good(root, digest=md[digest]), trust=[root],
               says=f"(?i)weak hash: .*{digest} .*; renew .* SHA-256")
        inter = cert("intermediate", root, ca=True, digest=md[digest])
        refuse(f"intermediate signed with {what}", good(inter), [inter],
               [root])
    accept("root signed with sha1, which nobody needs to believe",
           good(cert("root", ca=True, digest=md["sha1"])),
           trust=[cert("root", ca=True, digest=md["sha1"])])


def levels_below(root):
    """Two CAs below a root, all in the store: leaf, chain and trust."""
    first = cert("first", root, ca=True)
    second = cert("second", first, ca=True)
    return good(second), [second, first], [root, first, second]


def expired_anchor():
    inter = cert("intermediate", ROOT, ca=True, start=-60, end=-1)
    return good(inter), [inter], [inter]


def chains():
    def levels(n, root=ROOT):
        at, chain = root, []
        for i in range(n):
            at = cert(f"level {i}", at, ca=True)
            chain.insert(0, at)
        return at, chain

    for n in (1, 2, 3, 5, 9):
        at, chain = levels(n)
        accept(f"{n} intermediates", good(at), chain)
        accept(f"{n} intermediates and the root", good(at), chain + [ROOT])
        accept(f"{n} intermediates, others between",
               good(at), [OTHER] + chain + [OTHER])
        refuse(f"{n} intermediates, the last not sent", good(at), chain[:-1])
        refuse(f"{n} intermediates, the first not sent", good(at), chain[1:])
        if n > 1:
            accept(f"{n} intermediates in the wrong order", good(at),
                   chain[::-1])
            accept(f"{n} intermediates twice", good(at), chain + chain)
    accept("root sent too", good(), [ROOT])
    accept("unneeded certificates sent", good(), [INTER, OTHER])
    refuse("another root", good(OTHER))
    refuse("another root that is sent", good(OTHER), [OTHER])
    refuse("an intermediate of another root",
           good(cert("intermediate", OTHER, ca=True, k=key("impostor"))),
           [INTER])
    namesake = "the known CA of that name has another key .* present certificate"
    refuse("a root of the same name and another key",
           good(cert("root", ca=True, k=key("impostor"))), says=namesake)
    refuse("a root of the same name that is sent",
           good(cert("root", ca=True, k=key("impostor"))),
           [cert("root", ca=True, k=key("impostor"))], says=namesake)
    refuse("signature by another key", good(sign_with=key("impostor")))
    refuse("signature by another key, without AKI",
           good(sign_with=key("impostor"), aki=False),
           says="signature is wrong .* the CA's present certificate")
    inter = cert("intermediate", ROOT, ca=True, sign_with=key("impostor"))
    refuse("intermediate signed by another key", good(inter), [inter])
    self_signed = cert("leaf", names=HOST)
    refuse("self-signed leaf", self_signed)
    refuse("self-signed leaf that calls itself a CA",
           cert("leaf", names=HOST, ca=True))
    accept("self-signed leaf in the store", self_signed, trust=[self_signed],
           s_client=["-partial_chain"])
    accept("leaf in the store, its issuer not", good(OTHER, serial=77),
           trust=[good(OTHER, serial=77)], s_client=["-partial_chain"])
    CASES[-1]["trust"] = [CASES[-1]["leaf"]]
    accept("intermediate in the store, its root not", good(INTER), [INTER],
           trust=[INTER], s_client=["-partial_chain"])
    accept("intermediate in the store and not sent", good(INTER),
           trust=[INTER], s_client=["-partial_chain"])
    refuse("intermediate in the store, partial chains switched off",
           good(INTER), [INTER], trust=[INTER],
           settings={"partial-chain": "no"})
    leaf = good(OTHER)
    refuse("leaf in the store, partial chains switched off", leaf,
           trust=[leaf], settings={"partial-chain": "no"})
    # A root's own restrictions hold also where an intermediate below it is
    # trusted beside it.
    for what, more in [("name constraints", {"constrain": {"permit": "x.test"}}),
                       ("expiry", {"start": -60, "end": -1}),
                       ("date to come", {"start": 1}),
                       ("usage", {"eku": [EKU.CLIENT_AUTH]})]:
        root = cert("narrow root", ca=True, **more)
        inter = cert("narrow intermediate", root, ca=True)
        leaf = good(inter)
        refuse(f"{what} of the root, the intermediate in the store too", leaf,
               [inter], trust=[root, inter])
        refuse(f"{what} of the root, the intermediate in the store and not sent",
               leaf, trust=[inter, root])
        refuse(f"{what} of the root, the leaf in the store too", leaf, [inter],
               trust=[root, inter, leaf])
        accept(f"{what} of a root that is not in the store", leaf,
               [inter, root], trust=[inter], s_client=["-partial_chain"])
    refuse("path length of the root, intermediates in the store too",
           *levels_below(cert("short root", ca=True, pathlen=0)))
    accept("intermediate and root in the store, none sent", good(INTER),
           trust=[INTER, ROOT])
    refuse("expired leaf below an intermediate in the store",
           good(INTER, start=-9, end=-1), trust=[INTER],
           s_client=["-partial_chain"], says="certificate expired .*CN=leaf")
    refuse("intermediate in the store that has expired",
           *expired_anchor(), s_client=["-partial_chain"],
           says="certificate expired .*depth 1")
    refuse("expired leaf in the store", good(OTHER, serial=9, start=-60, end=-1),
           trust=[good(OTHER)], s_client=["-partial_chain"])
    refuse("another leaf of the same issuer in the store", good(OTHER),
           trust=[good(OTHER)], s_client=["-partial_chain"])
    refuse("a self-signed leaf of the same name and another key",
           cert("leaf", names=HOST, k=key("impostor")), trust=[self_signed])
    # Cross-signed: one key and name, certified by two roots.
    k = key("crossed")
    by_root = cert("crossed", ROOT, ca=True, k=k)
    by_other = cert("crossed", OTHER, ca=True, k=k)
    expired = cert("crossed", OTHER, ca=True, k=k, start=-60, end=-1)
    expired_by_root = cert("crossed", ROOT, ca=True, k=k, start=-60, end=-1)
    leaf = good(by_root)
    for what, chain in [("both", [by_root, by_other]),
                        ("the unknown one expired", [expired, by_root]),
                        ("the expired one last", [by_root, expired])]:
        accept(f"cross-signed, {what}", leaf, chain)
        accept(f"cross-signed, {what}, other root trusted too", leaf, chain,
               [ROOT, OTHER])
    refuse("cross-signed, the trusted path expired", leaf,
           [expired_by_root, by_other])
    # OpenSSL follows one path, the first that the server sends.
    refuse("cross-signed, the unknown path first", leaf, [by_other, by_root])
    accept("cross-signed, the unknown path first and then trusted", leaf,
           [by_other, by_root], [ROOT, OTHER])
    refuse("cross-signed, only the unknown path", leaf, [by_other])
    for n in (2, 20):
        accept(f"{n} roots in the store", trust=[
            cert(f"r{i}", ca=True, k=key("many")) for i in range(n)] + [ROOT])
    refuse("x509-strict wants a key identifier",
           good(cert("root", ca=True, ski=False)),
           trust=[cert("root", ca=True, ski=False)],
           settings={"x509-strict": "yes"}, s_client=["-x509_strict"])
    accept("x509-strict with a good chain", good(INTER), [INTER],
           settings={"x509-strict": "yes"}, s_client=["-x509_strict"])


def odd_chains():
    """What servers send beside, or in place of, what they should."""
    # Two CAs that certified each other, and know nobody else.
    a = cert("loop a", ca=True)
    b = cert("loop b", a, ca=True)
    a_by_b = cert("loop a", b, ca=True)
    b_by_a = cert("loop b", a_by_b, ca=True)
    refuse("a loop", good(a), [a_by_b, b_by_a])
    refuse("a loop and its root, unknown", good(a), [a_by_b, b_by_a, a])
    accept("a loop and its root, trusted", good(a), [a_by_b, b_by_a], [a])
    a_by_root = cert("loop a", ROOT, ca=True)
    accept("a way out of a loop", good(a), [a_by_root, a_by_b, b_by_a])
    at, chain = ROOT, []
    for i in range(99):
        at = cert(f"level {i}", at, ca=True)
        chain.insert(0, at)
        if i in (49, 98):
            accept(f"{i + 1} intermediates, one by one", good(at), chain[:])
    for i in range(2):
        at = cert(f"level {99 + i}", at, ca=True)
        chain.insert(0, at)
    refuse("101 intermediates", good(at), chain, says="chain .* too long")
    # One name and key, certified forty times in each of three layers.
    layers = []
    for name, issuer in ("l3", OTHER), ("l2", key("l3")), ("l1", key("l2")):
        above = issuer if issuer is OTHER else layers[-1][0]
        layers.append([cert(name, above, ca=True) for _ in range(40)])
    refuse("64000 paths to nowhere", good(layers[2][0]),
           [c for layer in layers for c in layer])
    accept("40 certificates of others before the one", good(INTER),
           layers[0] + [INTER])
    twin = cert("intermediate", ROOT, ca=True, start=-2)
    accept("two certificates of one intermediate", good(INTER), [twin, INTER])
    accept("the leaf twice", good(INTER, serial=5), [good(INTER, serial=5), INTER])
    leaf = good(INTER)
    accept("the leaf sent again", leaf, [leaf, INTER])
    refuse("another's leaf first", good(names="x.test"), [good(), ROOT])
    refuse("the root as the server's certificate", ROOT)
    refuse("a CA of the name as the server's certificate",
           cert("a ca", ROOT, ca=True, names=HOST), says=r"\(key usage\)")
    accept("a CA for TLS servers as the server's certificate",
           cert("a ca", ROOT, ca=True, names=HOST, eku=[EKU.SERVER_AUTH],
                ku="key_cert_sign crl_sign digital_signature"))
    other_leaf = good(cn="helper", eku=None, ku="digital_signature key_cert_sign")
    refuse("a leaf in the store as an issuer", good(other_leaf),
           trust=[other_leaf], s_client=["-partial_chain"])
    refuse("a leaf in the store as an issuer, its root too", good(other_leaf),
           [other_leaf], trust=[other_leaf, ROOT], s_client=["-partial_chain"])
    expired = cert("root", ca=True, start=-60, end=-1)
    accept("an expired root of the same key beside", good(),
           trust=[expired, ROOT])
    accept("an expired root of the same key behind", good(),
           trust=[ROOT, expired])
    accept("an expired root of the same key sent", good(), [expired])
    refuse("an expired root in the store, its successor sent", good(), [ROOT],
           trust=[expired], says="expired .*depth 1, CN=root.*TLSSHIM_CA_FILE")
    accept("an expired intermediate in the store, its successor sent",
           good(INTER), [INTER], trust=[ROOT, OTHER])
    accept("a root whose key another root has, too", good(), trust=[
        cert("root of that key", ca=True, k=key("root")), ROOT])
    for wanted, bad in [
            ("Authority Key Identifier", dict(leaf=dict(aki=False))),
            ("Subject Key Identifier", dict(inter=dict(ski=False))),
            ("Basic Constraints of CA cert not marked critical",
             dict(inter=dict(bc_critical=False))),
            ("CA cert does not include key usage", dict(inter=dict(ku=None))),
            ("Subject empty and Subject Alt Name extension not critical",
             dict(leaf=dict(subject=x509.Name([]))))]:
        inter = cert("intermediate", ROOT, ca=True, **bad.get("inter", {}))
        leaf = good(inter, **bad.get("leaf", {}))
        accept(f"without x509-strict: {wanted}", leaf, [inter])
        refuse(f"x509-strict: {wanted}", leaf, [inter],
               settings={"x509-strict": "yes"}, s_client=["-x509_strict"],
               says=f"{wanted}.*; TLSSHIM_X509_STRICT asks for it")


def levels_of_verification():
    more = {"verify": "insecure-no-name"}
    none = {"verify": "insecure-none"}
    why = "asked for by name"
    accept("insecure-no-name and another name", good(names="x.test"),
           settings=more, differs=why)
    accept("insecure-no-name and no name", good(names=None), settings=more,
           differs=why)
    refuse("insecure-no-name and an unknown root", good(OTHER), settings=more)
    refuse("insecure-no-name and an expired leaf",
           good(start=-9, end=-1), settings=more)
    for what, leaf in [("unknown root", good(OTHER)),
                       ("expired leaf", good(start=-9, end=-1)),
                       ("other name", good(names="x.test")),
                       ("wrong purpose", good(eku=[EKU.CODE_SIGNING])),
                       ("self-signed leaf", cert("leaf", names="x.test"))]:
        accept(f"insecure-none and {what}", leaf, settings=none, differs=why)


def pins():
    why = "s_client knows no pins"
    chain = [INTER]
    leaf = good(INTER)
    stranger = pin(OTHER)
    for what, value in [("the leaf", pin(leaf)), ("the intermediate", pin(INTER)),
                        ("the root", pin(ROOT)),
                        ("a second one", f"{stranger} {pin(leaf)}"),
                        ("the last of many", " ".join([stranger] * 20 + [pin(INTER)]))]:
        accept(f"pin of {what}", leaf, chain, settings={"pin": value})
    refuse("pin of another key", leaf, chain, settings={"pin": stranger},
           differs=why)
    refuse("pin of a root that is sent and not in the chain", leaf,
           chain + [OTHER], settings={"pin": stranger}, differs=why)
    refuse("pin that matches, name that does not", good(names="x.test"),
           settings={"pin": pin(leaf)})
    refuse("pin that matches, root that is unknown", good(OTHER),
           settings={"pin": pin(leaf)})
    accept("insecure-none with a pin of the leaf", good(OTHER),
           settings={"pin": pin(leaf), "verify": "insecure-none"},
           differs="asked for by name")
    refuse("insecure-none with a pin of the unproven issuer", good(OTHER),
           [OTHER], settings={"pin": pin(OTHER), "verify": "insecure-none"})
    accept("pin file", leaf, chain,
           settings={"pin-file": ("pins", f"# comment\n{stranger}\n"
                                  f"{pin(leaf)} # and here\n")})
    refuse("pin file without the pin", leaf, chain,
           settings={"pin-file": ("pins", stranger)}, differs=why)


def revocation():
    bad_leaf, bad_inter = good(INTER), cert("intermediate", ROOT, ca=True)
    fine = crl(ROOT) + crl(INTER)
    check = CRL_CHECKS
    soft = {"crl": "insecure-soft"}
    present = "; put the CA's present CRL into TLSSHIM_CRL_FILE"
    accept("CRLs of all issuers", good(INTER), [INTER], crls=fine,
           s_client=check)
    accept("CRLs that revoke others", good(INTER), [INTER],
           crls=crl(ROOT, [OTHER]) + crl(INTER, [bad_leaf]), s_client=check)
    accept("CRLs of others beside", good(INTER), [INTER],
           crls=crl(OTHER) + fine, s_client=check)
    accept("CRL of the root alone", crls=crl(ROOT), s_client=check)
    accept("an old CRL and a new one", crls=crl(ROOT, last=-9, due=-1)
           + crl(ROOT), s_client=check)
    refuse("leaf revoked", bad_leaf, [INTER],
           crls=crl(ROOT) + crl(INTER, [bad_leaf]), s_client=check)
    refuse("leaf among many revoked", bad_leaf, [INTER],
           crls=crl(ROOT) + crl(INTER, [good(INTER) for _ in range(50)]
                                + [bad_leaf]), s_client=check)
    refuse("intermediate revoked", good(bad_inter), [bad_inter],
           crls=crl(ROOT, [bad_inter]) + crl(INTER), s_client=check)
    refuse("CRL of the leaf's issuer missing", good(INTER), [INTER],
           crls=crl(ROOT), s_client=check, says="there is no CRL.*" + present)
    refuse("CRL of the root missing", good(INTER), [INTER], crls=crl(INTER),
           s_client=check)
    refuse("CRL expired", crls=crl(ROOT, last=-9, due=-1), s_client=check,
           says="CRL .* has expired .*" + present)
    refuse("CRL not valid yet", crls=crl(ROOT, last=1), s_client=check)
    refuse("CRL signed by another key", crls=crl(ROOT, k=key("impostor")),
           s_client=check, says="signature of .* CRL is wrong .*" + present)
    accept("soft, CRL missing", crls=crl(OTHER), settings=soft)
    accept("soft, CRL expired", crls=crl(ROOT, last=-9, due=-1),
           settings=soft)
    leaf = good()
    refuse("soft, leaf revoked", leaf, crls=crl(ROOT, [leaf]), settings=soft,
           s_client=check)
    refuse("soft, CRL signed by another key",
           crls=crl(ROOT, k=key("impostor")), settings=soft, s_client=check)
    refuse("soft, leaf revoked by an expired CRL", leaf,
           crls=crl(ROOT, [leaf], last=-9, due=-1), settings=soft,
           s_client=check)


def crls_and_partial_chains():
    """The anchor is an intermediate CA: what its own issuer's CRL says counts
    where it is there, and it may be missing.  OpenSSL cannot use it."""
    why = "OpenSSL wants a CRL of an issuer that it does not know"
    check = CRL_CHECKS + ["-partial_chain"]
    leaf, root, own = good(INTER), crl(ROOT), crl(INTER)
    trust = dict(chain=[INTER], trust=[INTER], s_client=check)
    soft = {"crl": "insecure-soft"}
    for what, crls in [("alone", own), ("and of its root", root + own),
                       ("and of its root without AKI",
                        crl(ROOT, aki=False) + own),
                       ("and an old and a new one of its root",
                        crl(ROOT, last=-9, due=-1) + root + own)]:
        accept(f"trusted intermediate, its CRL {what}", leaf, crls=crls,
               differs=why, **trust)
        refuse(f"trusted intermediate, its CRL {what}, leaf revoked", leaf,
               crls=crls.replace(own, crl(INTER, [leaf])), **trust)
    accept("trusted intermediate, its CRL and the root sent", leaf, [INTER, ROOT],
           trust=[INTER], crls=root + own, s_client=check, differs=why)
    for aki in (True, False):
        revoked = crl(ROOT, [INTER], aki=aki)
        old = crl(ROOT, last=-9, due=-1, aki=aki)
        with_aki = "with" if aki else "without"
        refuse(f"trusted intermediate that is revoked, {with_aki} AKI", leaf,
               crls=revoked + own, says="certificate is revoked .*depth 1",
               **trust)
        refuse(f"soft, trusted intermediate that is revoked, {with_aki} AKI",
               leaf, crls=revoked + own, settings=soft, **trust)
        refuse(f"trusted intermediate, its root's CRL expired, {with_aki} AKI",
               leaf, crls=old + own, says="CRL .* has expired", **trust)
        accept(f"soft, trusted intermediate, its root's CRL expired, {with_aki}"
               " AKI", leaf, crls=old + own, settings=soft, differs=why, **trust)
    refuse("trusted intermediate, its own CRL missing", leaf, crls=root,
           says="there is no CRL", **trust)
    refuse("trusted intermediate, its own CRL expired", leaf,
           crls=root + crl(INTER, last=-9, due=-1), **trust)
    accept("soft, trusted intermediate, no CRL of it", leaf, crls=crl(OTHER),
           settings=soft, differs=why, **trust)
    refuse("the leaf in the store, and no CRL that can be used", leaf,
           trust=[leaf], crls=own, s_client=check, says="no CRL")
    refuse("trusted intermediate and root, the root's CRL missing", leaf,
           [INTER], trust=[INTER, ROOT], crls=own, s_client=CRL_CHECKS)
    accept("trusted intermediate and root, both CRLs", leaf, [INTER],
           trust=[INTER, ROOT], crls=root + own, s_client=CRL_CHECKS)


def kinds_of_crls():
    """RFC 5280, section 5: scopes, deltas, extensions, other issuers."""
    here, there = "http://crl.test/1", "http://crl.test/2"
    present = "; put the CA's present CRL into TLSSHIM_CRL_FILE"
    leaf = good(INTER, more=[crl_point(here)])
    plain = good(INTER)
    fresh = good(INTER, more=[crl_point(here, kind=x509.FreshestCRL)])
    scope = r"about other certificates \(scope\) .*" + present
    some = ["keyCompromise", "cACompromise"]
    rest = ["affiliationChanged", "superseded", "cessationOfOperation",
            "certificateHold", "privilegeWithdrawn", "aACompromise"]

    def delta(base, number, revoked=(), **more):
        return crl(INTER, revoked, number=number, **more, more=[
            (x509.DeltaCRLIndicator(base), True)])

    def removed(base, number, c):
        return delta(base, number, [c], entries=[
            (x509.CRLReason(x509.ReasonFlags.remove_from_crl), False)])

    for what, expect, c, crls in [
            ("of the point that the leaf names", "accept", leaf,
             crl(INTER, more=[crl_scope(here)])),
            ("of that point, revoked", "refuse", leaf,
             crl(INTER, [leaf], more=[crl_scope(here)])),
            ("of another point", "refuse", leaf,
             crl(INTER, more=[crl_scope(there)])),
            ("of a point, the leaf names none", "refuse", plain,
             crl(INTER, more=[crl_scope(here)])),
            ("of no point, the leaf names one", "accept", leaf, crl(INTER)),
            ("of both points", "accept", leaf,
             crl(INTER, more=[crl_scope(there)])
             + crl(INTER, more=[crl_scope(here)])),
            ("of leaves alone", "accept", plain,
             crl(INTER, more=[crl_scope(only="user")])),
            ("of leaves and of CAs", "accept", plain,
             crl(INTER, more=[crl_scope(only="user")])
             + crl(INTER, more=[crl_scope(only="ca")])),
            ("of leaves and of CAs, revoked", "refuse", plain,
             crl(INTER, [plain], more=[crl_scope(only="user")])
             + crl(INTER, more=[crl_scope(only="ca")])),
            ("of CAs alone", "refuse", plain,
             crl(INTER, more=[crl_scope(only="ca")])),
            ("of attribute certificates", "refuse", plain,
             crl(INTER, more=[crl_scope(only="attribute")])),
            ("of some reasons", "refuse", plain,
             crl(INTER, more=[crl_scope(reasons=some)])),
            ("of some reasons, and of the rest", "accept", plain,
             crl(INTER, more=[crl_scope(reasons=some)])
             + crl(INTER, more=[crl_scope(reasons=rest)])),
            ("of some reasons, and revoked for another", "refuse", plain,
             crl(INTER, more=[crl_scope(reasons=some)])
             + crl(INTER, [plain], more=[crl_scope(reasons=rest)])),
            ("that is a delta alone", "refuse", plain, delta(1, 2)),
            ("and its delta", "accept", fresh, crl(INTER, number=1) + delta(1, 2)),
            ("and a delta that revokes", "refuse", fresh,
             crl(INTER, number=1) + delta(1, 2, [fresh])),
            ("and a delta of another base", "accept", fresh,
             crl(INTER, number=1) + delta(3, 4)),
            ("that revokes, and a newer delta that does not", "refuse", plain,
             crl(INTER, [plain], last=-3, number=1) + delta(1, 2)),
            ("that revokes, and a delta by freshestCRL", "refuse", fresh,
             crl(INTER, [fresh], last=-3, number=1) + delta(1, 2)),
            ("that revokes, and a delta that takes it back", "accept", fresh,
             crl(INTER, [fresh], last=-3, number=1) + removed(1, 2, fresh)),
            ("and a delta that is a CRL without number", "refuse", fresh,
             crl(INTER, [fresh], number=1) + delta(1, None)),
            ("without AKI", "accept", plain, crl(INTER, aki=False)),
            ("with an unknown extension", "accept", plain,
             crl(INTER, more=[unknown(False)])),
            ("with an unknown critical extension", "refuse", plain,
             crl(INTER, more=[unknown(True)])),
            ("with an unknown critical extension of an entry", "refuse", plain,
             crl(INTER, [OTHER], entries=[unknown(True)])),
            ("with a reason", "refuse", plain, crl(INTER, [plain], entries=[
                (x509.CRLReason(x509.ReasonFlags.superseded), False)])),
            ("with an invalidity date", "refuse", plain,
             crl(INTER, [plain], entries=[(x509.InvalidityDate(NOW), False)])),
            ("with 20,000 entries", "refuse", plain,
             crl(INTER, [CrlEntry(i) for i in range(1, 20001)] + [plain])),
            ("of all that others list, too", "accept", plain,
             crl(INTER, more=[crl_scope(indirect=True)])),
            ("of all that others list, revoked", "refuse", plain,
             crl(INTER, [plain], more=[crl_scope(indirect=True)])),
            ("of a stranger that lists for others", "refuse", plain,
             crl(OTHER, more=[crl_scope(indirect=True)]))]:
        case(expect, f"CRL {what}", c, [INTER], crls=crl(ROOT) + crls,
             s_client=CRL_CHECKS)
    settings = {"crl": "insecure-soft"}
    refuse("CRL out of scope, and what is said of it", leaf,
           [INTER], crls=crl(ROOT) + crl(INTER, more=[crl_scope(there)]),
           s_client=CRL_CHECKS, says=scope)
    accept("soft, CRL out of scope", leaf, [INTER], settings=settings,
           crls=crl(ROOT) + crl(INTER, more=[crl_scope(there)]))
    refuse("soft, CRL out of scope that revokes", leaf, [INTER],
           settings=settings,
           crls=crl(ROOT) + crl(INTER, [leaf], more=[crl_scope(there)]),
           differs="s_client is not asked about CRLs")
    accept("soft, a delta alone", plain, [INTER], settings=settings,
           crls=crl(ROOT) + delta(1, 2))
    mute = cert("root", ca=True, ku="key_cert_sign")
    refuse("CRL of a CA that may not sign any", good(mute), trust=[mute],
           crls=crl(mute), s_client=CRL_CHECKS, says="may not sign CRLs")


class CrlEntry:
    """Looks like a certificate of that serial number."""

    def __init__(self, number):
        self.x, self.serial_number = self, number


def stapling():
    why = "s_client does not look at the response"
    leaf, chained = good(), good(INTER)
    helper = cert("responder", ROOT, eku=[EKU.OCSP_SIGNING], names=None)
    liar = cert("responder", ROOT, names=None)
    foreign = cert("responder", OTHER, eku=[EKU.OCSP_SIGNING], names=None)
    impostor = cert("root", ca=True, k=key("impostor"))
    usage = dict(eku=[EKU.OCSP_SIGNING], names=None)
    old = cert("responder", ROOT, start=-60, end=-1, **usage)
    young = cert("responder", ROOT, start=1, **usage)
    cousin = cert("responder", INTER, **usage)
    broad = cert("responder", ROOT, eku=[EKU.ANY_EXTENDED_KEY_USAGE],
                 names=None)
    require = {"ocsp": "require-stapled"}
    off = {"ocsp": "off"}
    feature = (x509.TLSFeature([x509.TLSFeatureType.status_request]), False)
    must = good(more=[feature])
    accept("staple good", leaf, staple=response(leaf, ROOT))
    accept("staple good, below an intermediate", chained, [INTER],
           staple=response(chained, INTER))
    accept("staple good, required", leaf, staple=response(leaf, ROOT),
           settings=require)
    accept("staple good, by SHA-256", leaf,
           staple=response(leaf, ROOT, md=SHA256))
    accept("staple good, of a responder", leaf,
           staple=response(leaf, ROOT, responder=helper, extra=[helper]))
    accept("staple good, no next update", leaf,
           staple=response(leaf, ROOT, this=-0.5, due=None))
    accept("staple good, by SHA-384", leaf,
           staple=response(leaf, ROOT, md=hashes.SHA384()))
    accept("staple good, responder by name", leaf,
           staple=response(leaf, ROOT, by_name=True))
    accept("staple good, with a nonce", leaf,
           staple=response(leaf, ROOT, nonce=b"x" * 16))
    accept("staple good, of the intermediate's responder", chained, [INTER],
           staple=response(chained, INTER, responder=cousin, extra=[cousin]))
    refuse("staple of the root about a leaf of the intermediate", chained,
           [INTER], staple=response(chained, INTER, responder=ROOT),
           differs=why)
    refuse("staple about the intermediate", chained, [INTER],
           staple=response(INTER, ROOT), differs=why)
    refuse("staple revoked, and what is said of it", leaf, differs=why,
           staple=response(leaf, ROOT, "REVOKED"),
           says="certificate is revoked, .*; have the server present another")
    refuse("staple expired, and what is said of it", leaf, differs=why,
           staple=response(leaf, ROOT, this=-9, due=-1),
           says="is expired .*; have the server staple a good response")
    accept("no staple")
    accept("no staple, off", settings=off)
    accept("must-staple, good", must, staple=response(must, ROOT))
    accept("must-staple, none, off", must, settings=off)
    accept("staple revoked, off", leaf, settings=off,
           staple=response(leaf, ROOT, "REVOKED"))
    accept("staple revoked, insecure-none", leaf,
           settings={"verify": "insecure-none"},
           staple=response(leaf, ROOT, "REVOKED"))
    for what, staple in [
            ("revoked", response(leaf, ROOT, "REVOKED")),
            ("of the intermediate's number", response(INTER, ROOT)),
            ("of the right number and another issuer",
             response(leaf, cert("root", ca=True, k=key("impostor")),
                      responder=ROOT)),
            ("of a responder that has expired",
             response(leaf, ROOT, responder=old, extra=[old])),
            ("of a responder that is not valid yet",
             response(leaf, ROOT, responder=young, extra=[young])),
            ("of a responder that is not sent",
             response(leaf, ROOT, responder=helper)),
            ("of another intermediate's responder",
             response(leaf, ROOT, responder=cousin, extra=[cousin, INTER])),
            ("of another intermediate", response(leaf, ROOT, responder=INTER,
                                                 extra=[INTER])),
            ("of a responder for any usage",
             response(leaf, ROOT, responder=broad, extra=[broad])),
            ("of status unknown", response(leaf, ROOT, "UNKNOWN")),
            ("expired", response(leaf, ROOT, this=-9, due=-1)),
            ("not valid yet", response(leaf, ROOT, this=1)),
            ("old and without next update",
             response(leaf, ROOT, this=-3, due=None)),
            ("of another certificate", response(good(), ROOT)),
            ("of another issuer", response(leaf, OTHER)),
            ("signed by another key",
             response(leaf, ROOT, responder=impostor)),
            ("signed by another key that is sent",
             response(leaf, ROOT, responder=impostor, extra=[impostor])),
            ("of a responder without the usage",
             response(leaf, ROOT, responder=liar, extra=[liar])),
            ("of another CA's responder",
             response(leaf, ROOT, responder=foreign, extra=[foreign])),
            ("of the leaf itself",
             response(leaf, ROOT, responder=leaf, extra=[leaf])),
            ("of garbage", b"garbage"), ("cut short",
             response(leaf, ROOT)[:-20]),
            ("with bytes changed",
             response(leaf, ROOT)[:-9] + b"\0" * 9),
            ("of an error", ocsp.OCSPResponseBuilder.build_unsuccessful(
                ocsp.OCSPResponseStatus.TRY_LATER).public_bytes(
                    serialization.Encoding.DER))]:
        refuse(f"staple {what}", leaf, staple=staple, differs=why)
    refuse("staple required and none given", leaf, settings=require,
           differs=why)
    refuse("must-staple and none given", must, differs=why)
    refuse("staple required, the leaf in the store and its issuer not", leaf,
           trust=[leaf], staple=response(leaf, ROOT), settings=require,
           s_client=["-partial_chain"], differs=why,
           says="require-stapled cannot be met.*; put the issuer's certificate")
    accept("staple required, the leaf in the store and its issuer too", leaf,
           trust=[leaf, ROOT], staple=response(leaf, ROOT), settings=require)
    refuse("staple revoked, the leaf in the store and its issuer too", leaf,
           trust=[leaf, ROOT], staple=response(leaf, ROOT, "REVOKED"),
           differs=why)
    revoked = response(must, ROOT, "REVOKED")
    refuse("must-staple, revoked", must, staple=revoked, differs=why)


def make(directory):
    for group in (names, name_tables, subjects, dates, constraints_of_cas,
                  usages_of_leaves, encodings, name_constraints,
                  other_name_constraints, keys_and_digests, chains, odd_chains,
                  levels_of_verification, pins, revocation,
                  crls_and_partial_chains, kinds_of_crls,
                  stapling):
        group()
    os.makedirs(directory, exist_ok=True)
    lines, listed = [], []
    for i, c in enumerate(CASES):
        base = os.path.join(directory, str(i))

        def write(suffix, data, base=base):
            with open(base + suffix, "wb") as f:
                f.write(data if isinstance(data, bytes) else data.encode())
            return base + suffix

        write(".pem", c["leaf"].pem + "".join(x.pem for x in c["chain"]))
        write(".ca", "".join(x.pem for x in c["trust"]))
        write(".key", c["leaf"].key.private_bytes(
            PEM, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption()))
        staple = write(".ocsp", c["staple"]) if c["staple"] else "-"
        settings = {k: write("." + v[0], v[1]) if isinstance(v, tuple) else v
                    for k, v in c["settings"].items()}
        settings["ca-file"] = base + ".ca"
        settings["server-name"] = c["host"]
        if c["crls"]:
            settings["crl-file"] = write(".crl", c["crls"])
        # s_client takes one CRL of a file, but all of the CA file.
        write(".ca+crl", "".join(x.pem for x in c["trust"])
              + (c["crls"] or ""))
        lines.append(f"{i} {base}.pem {base}.key {staple}\n")
        listed.append({k: c[k] for k in (
            "name", "expect", "host", "differs", "s_client", "says")}
            | {"settings": settings})
    with open(os.path.join(directory, "list"), "w") as f:
        f.writelines(lines)
    with open(os.path.join(directory, "cases.json"), "w") as f:
        json.dump(listed, f)


def load(directory, ports):
    with open(os.path.join(directory, "cases.json")) as f:
        cases = json.load(f)
    with open(ports) as f:
        for line in f:
            number, port = line.split()
            cases[int(number)]["port"] = port
    return cases


def rules(directory, ports):
    for c in load(directory, ports):
        print(f"[127.0.0.1:{c['port']}]")
        for k, v in c["settings"].items():
            print(f"{k} = {v}")


def openssl_says(c):
    host = c["host"]
    try:
        ipaddress.ip_address(host)
        check = "-verify_ip"
    except ValueError:
        check = "-verify_hostname"
        host = host.rstrip(".")
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{c['port']}",
               "-verify_return_error", "-CAfile", c["settings"]["ca-file"] + "+crl",
               "-no-CApath", "-no-CAstore", check, host] + c["s_client"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL, timeout=60)
    return "accept" if done.returncode == 0 else "refuse"


def shim_says(line):
    if line.startswith("blocking: open"):
        return "accept"
    if line.startswith(("blocking: EACCES", "blocking: EPROTO")):
        return "refuse"
    return line.strip()


def lines_of(log):
    """What the log says of each port."""
    said = {}
    with open(log) as f:
        for line in f:
            found = re.search(r" tlsshim\[\d+\] \S+?:(\d+)(?: \(\S+\))?: "
                              r"refused: (.*)", line)
            if found:
                said[found[1]] = found[2]
    return said


def complaints(c, line, openssl, logged):
    said = shim_says(line)
    if said != c["expect"] or (openssl == c["expect"]) == bool(c["differs"]):
        yield (f"expected {c['expect']}, the shim says {said}, "
               f"openssl {openssl}")
    if c["says"] and not re.search(c["says"], logged):
        yield f"no \"{c['says']}\" in: {logged}"


def judge(directory, ports, knocks, log):
    cases = load(directory, ports)
    logged = lines_of(log)
    with open(knocks) as f:
        lines = [line for line in f if line.startswith("blocking:")]
    wrong = 0
    if len(lines) != len(cases):
        sys.exit(f"{len(lines)} answers for {len(cases)} cases")
    with ThreadPoolExecutor(4) as pool:
        verdicts = list(pool.map(openssl_says, cases))
    for c, line, openssl in zip(cases, lines, verdicts):
        for complaint in complaints(c, line, openssl,
                                    logged.get(c["port"], "")):
            wrong += 1
            print(f"{c['name']} (port {c['port']}): {complaint}")
    count = {v: sum(c["expect"] == v for c in cases)
             for v in ("accept", "refuse")}
    print(f"{count['accept']} accepted, {count['refuse']} refused, "
          f"{sum(bool(c['differs']) for c in cases)} where openssl differs, "
          f"{wrong} wrong")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    {"make": make, "rules": rules, "judge": judge}[sys.argv[1]](*sys.argv[2:])
