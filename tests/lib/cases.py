#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Certificates and servers, good and bad, by the hundred.

    cases.py make DIR   makes certificates, and DIR/list for tests/prog/tls_cases
    cases.py rules DIR PORTS   the file for TLSSHIM_CONFIG, on stdout
    cases.py judge DIR PORTS KNOCKS   compares what the shim and openssl say

PORTS has a line "NAME PORT" for each case, KNOCKS what tests/prog/knock said
at each port in that order.  Each case below is one call of accept() or
refuse(), grouped by what is wrong or unusual in it.  In a case
    host      whom the server must be
    leaf...   what differs from a good certificate, see cert()
    chain     what the server sends behind the leaf
    trust     what the client's CA file holds (default: the root)
    settings  further keys of the section
    differs   openssl s_client is of another opinion, and why we are right
"""
import base64
import datetime
import hashlib
import ipaddress
import json
import os
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, ed448, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID as EKU, NameOID

# That SHA-1 and MD5 are weak is what is tested.
warnings.filterwarnings("ignore")
NOW = datetime.datetime.utcnow().replace(microsecond=0)
DAY = datetime.timedelta(days=1)
PEM = serialization.Encoding.PEM
HOST = "db.test"
SHA256 = hashes.SHA256()

KEYS = {}
CASES = []


def key(name, kind="p256"):
    """One key a name, made when it is first asked for."""
    if name not in KEYS:
        make = {"p256": lambda: ec.generate_private_key(ec.SECP256R1()),
                "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
                "p521": lambda: ec.generate_private_key(ec.SECP521R1()),
                "p192": lambda: ec.generate_private_key(ec.SECP192R1()),
                "ed25519": ed25519.Ed25519PrivateKey.generate,
                "ed448": ed448.Ed448PrivateKey.generate}
        KEYS[name] = make[kind]() if kind in make else \
            rsa.generate_private_key(65537, int(kind[3:]))
    return KEYS[name]


def name_of(cn, **more):
    parts = [] if cn is None else [x509.NameAttribute(NameOID.COMMON_NAME, cn)]
    parts += [x509.NameAttribute(getattr(NameOID, k), v)
              for k, v in more.items()]
    return x509.Name(parts)


def san(text):
    """"a.test,IP:10.0.0.1,URI:x,EMAIL:y" """
    names = []
    for part in text.split(","):
        kind, _, value = part.partition(":")
        if kind == "IP":
            names.append(x509.IPAddress(ipaddress.ip_address(value)))
        elif kind == "URI":
            names.append(x509.UniformResourceIdentifier(value))
        elif kind == "EMAIL":
            names.append(x509.RFC822Name(value))
        else:
            names.append(x509.DNSName(part))
    return x509.SubjectAlternativeName(names)


def usage(words):
    all_words = ["digital_signature", "content_commitment", "key_encipherment",
                 "data_encipherment", "key_agreement", "key_cert_sign",
                 "crl_sign", "encipher_only", "decipher_only"]
    return x509.KeyUsage(**{w: w in words.split() for w in all_words})


def general(text):
    """A name constraint: "test", ".test" or "10.0.0.0/8"."""
    if "/" in text:
        return x509.IPAddress(ipaddress.ip_network(text))
    return x509.DNSName(text)


def constraints(permit=None, exclude=None):
    return x509.NameConstraints(
        [general(t) for t in permit.split()] if permit else None,
        [general(t) for t in exclude.split()] if exclude else None)


class Cert:
    """A certificate, its key, and who signed it."""

    def __init__(self, x, k, issuer):
        self.x, self.key, self.issuer = x, k, issuer

    @property
    def pem(self):
        return self.x.public_bytes(PEM).decode()


def cert(cn, issuer=None, k=None, ca=None, names=None, names_critical=False,
         start=-1, end=30, ku="default", ku_critical=True, eku="default",
         bc="default", bc_critical=True, pathlen=None, constrain=None,
         digest=SHA256, serial=None, more=(), subject=None, aki=True,
         ski=True, issuer_name=None, sign_with=None, eku_critical=False):
    """ca: is it one?  issuer None: itself."""
    ca = bool(ca)
    k = k or key(cn or "no name")
    signer = sign_with or (issuer.key if issuer else k)
    who = subject if subject is not None else name_of(cn)
    b = x509.CertificateBuilder().subject_name(who)
    b = b.issuer_name(issuer_name or (issuer.x.subject if issuer else who))
    b = b.public_key(k.public_key())
    b = b.serial_number(serial or x509.random_serial_number())
    b = b.not_valid_before(start if isinstance(start, datetime.datetime)
                           else NOW + start * DAY)
    b = b.not_valid_after(end if isinstance(end, datetime.datetime)
                          else NOW + end * DAY)
    if bc == "default":
        bc = ca
    if bc is not None:
        b = b.add_extension(x509.BasicConstraints(bc, pathlen), bc_critical)
    if ku == "default":
        ku = "key_cert_sign crl_sign" if ca else "digital_signature"
    if ku:
        b = b.add_extension(usage(ku), ku_critical)
    if eku == "default":
        eku = None if ca else [EKU.SERVER_AUTH]
    if eku:
        b = b.add_extension(x509.ExtendedKeyUsage(eku), eku_critical)
    if names:
        b = b.add_extension(san(names), names_critical)
    if constrain:
        b = b.add_extension(constraints(**constrain), True)
    if ski:
        b = b.add_extension(
            x509.SubjectKeyIdentifier.from_public_key(k.public_key()), False)
    if aki and issuer:
        b = b.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(
                issuer.key.public_key()), False)
    for extension, critical in more:
        b = b.add_extension(extension, critical)
    if isinstance(signer, (ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey)):
        digest = None
    return Cert(b.sign(signer, digest), k, issuer)


def unknown(critical):
    return (x509.UnrecognizedExtension(
        x509.ObjectIdentifier("1.2.3.4.5"), b"\x05\x00"), critical)


ROOT = cert("root", ca=True)
INTER = cert("intermediate", ROOT, ca=True)
OTHER = cert("other root", ca=True)


def good(issuer=ROOT, names=HOST, cn="leaf", **more):
    return cert(cn, issuer, names=names, **more)


def case(expect, name, leaf=None, chain=(), trust=(ROOT,), host=HOST,
         settings=None, differs=None, crls=None, staple=None, s_client=()):
    assert name not in [c["name"] for c in CASES], name
    CASES.append({"name": name, "expect": expect, "leaf": leaf or good(),
                  "chain": list(chain), "trust": list(trust), "host": host,
                  "settings": settings or {}, "differs": differs,
                  "crls": crls, "staple": staple, "s_client": list(s_client)})


def accept(name, *args, **more):
    case("accept", name, *args, **more)


def refuse(name, *args, **more):
    case("refuse", name, *args, **more)


def crl(issuer, revoked=(), last=-1, due=7, k=None):
    b = x509.CertificateRevocationListBuilder()
    b = b.issuer_name(issuer.x.subject)
    b = b.last_update(NOW + last * DAY).next_update(NOW + due * DAY)
    for c in revoked:
        b = b.add_revoked_certificate(
            x509.RevokedCertificateBuilder()
            .serial_number(c.x.serial_number)
            .revocation_date(NOW - DAY).build())
    b = b.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(
        issuer.key.public_key()), False)
    return b.sign(k or issuer.key, SHA256).public_bytes(PEM).decode()


def response(c, issuer, status="GOOD", this=-1, due=7, responder=None,
             md=None, k=None, extra=()):
    responder = responder or issuer
    revoked = status == "REVOKED"
    b = ocsp.OCSPResponseBuilder().add_response(
        cert=c.x, issuer=issuer.x, algorithm=md or hashes.SHA1(),
        cert_status=getattr(ocsp.OCSPCertStatus, status),
        this_update=NOW + this * DAY,
        next_update=None if due is None else NOW + due * DAY,
        revocation_time=NOW - DAY if revoked else None,
        revocation_reason=x509.ReasonFlags.key_compromise if revoked else None)
    b = b.responder_id(ocsp.OCSPResponderEncoding.HASH, responder.x)
    if extra:
        b = b.certificates([e.x for e in extra])
    return b.sign(k or responder.key, SHA256).public_bytes(
        serialization.Encoding.DER)


def pin(c):
    der = c.key.public_key().public_bytes(
        serialization.Encoding.DER,
        serialization.PublicFormat.SubjectPublicKeyInfo)
    return "sha256//" + base64.b64encode(hashlib.sha256(der).digest()).decode()


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
           differs="the CN never counts")
    refuse("CN beside a mail address",
           good(names="EMAIL:a@b.test", cn=HOST),
           differs="the CN never counts")
    refuse("CN beside another name", good(names="other.test", cn=HOST))
    refuse("address in the CN", good(names=None, cn="10.0.0.1"),
           host="10.0.0.1")
    refuse("no name at all", good(names=None))
    refuse("no subject and no name", good(names=None, subject=x509.Name([])))


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
        refuse(f"leaf {what}", good(**bad))
        inter = cert("intermediate", ROOT, ca=True, **bad)
        refuse(f"intermediate {what}", good(inter), [inter])
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
        refuse(f"intermediate with {what}", good(inter), [inter])
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
                 good(at), chain, [top])


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
            ("unknown critical extension", dict(more=[unknown(True)]))]:
        refuse(f"leaf with {what}", good(**bad))
        refuse(f"leaf with {what} below an intermediate",
               good(INTER, **bad), [INTER])


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
        refuse(f"leaf key {kind}", good(k=k))
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
               good(root, digest=md[digest]), trust=[root])
        inter = cert("intermediate", root, ca=True, digest=md[digest])
        refuse(f"intermediate signed with {what}", good(inter), [inter],
               [root])
    accept("root signed with sha1, which nobody needs to believe",
           good(cert("root", ca=True, digest=md["sha1"])),
           trust=[cert("root", ca=True, digest=md["sha1"])])


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
    refuse("a root of the same name and another key",
           good(cert("root", ca=True, k=key("impostor"))))
    refuse("a root of the same name that is sent",
           good(cert("root", ca=True, k=key("impostor"))),
           [cert("root", ca=True, k=key("impostor"))])
    refuse("signature by another key", good(sign_with=key("impostor")))
    refuse("signature by another key, without AKI",
           good(sign_with=key("impostor"), aki=False))
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
    check = ["-crl_check_all"]
    soft = {"crl": "insecure-soft"}
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
           crls=crl(ROOT), s_client=check)
    refuse("CRL of the root missing", good(INTER), [INTER], crls=crl(INTER),
           s_client=check)
    refuse("CRL expired", crls=crl(ROOT, last=-9, due=-1), s_client=check)
    refuse("CRL not valid yet", crls=crl(ROOT, last=1), s_client=check)
    refuse("CRL signed by another key", crls=crl(ROOT, k=key("impostor")),
           s_client=check)
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


def stapling():
    why = "s_client does not look at the response"
    leaf, chained = good(), good(INTER)
    helper = cert("responder", ROOT, eku=[EKU.OCSP_SIGNING], names=None)
    liar = cert("responder", ROOT, names=None)
    foreign = cert("responder", OTHER, eku=[EKU.OCSP_SIGNING], names=None)
    impostor = cert("root", ca=True, k=key("impostor"))
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
    revoked = response(must, ROOT, "REVOKED")
    refuse("must-staple, revoked", must, staple=revoked, differs=why)


def make(directory):
    for group in (names, subjects, dates, constraints_of_cas,
                  usages_of_leaves, name_constraints, keys_and_digests, chains,
                  levels_of_verification, pins, revocation, stapling):
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
            "name", "expect", "host", "differs", "s_client")}
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


def judge(directory, ports, knocks):
    cases = load(directory, ports)
    with open(knocks) as f:
        lines = [line for line in f if line.startswith("blocking:")]
    wrong = 0
    if len(lines) != len(cases):
        sys.exit(f"{len(lines)} answers for {len(cases)} cases")
    with ThreadPoolExecutor(4) as pool:
        verdicts = list(pool.map(openssl_says, cases))
    for c, line, openssl in zip(cases, lines, verdicts):
        said = shim_says(line)
        agrees = (openssl == c["expect"]) == (not c["differs"])
        if said == c["expect"] and agrees:
            continue
        wrong += 1
        print(f"{c['name']}: expected {c['expect']}, the shim says {said}, "
              f"openssl {openssl} (port {c['port']})")
    count = {v: sum(c["expect"] == v for c in cases)
             for v in ("accept", "refuse")}
    print(f"{count['accept']} accepted, {count['refuse']} refused, "
          f"{sum(bool(c['differs']) for c in cases)} where openssl differs, "
          f"{wrong} wrong")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    {"make": make, "rules": rules, "judge": judge}[sys.argv[1]](*sys.argv[2:])
