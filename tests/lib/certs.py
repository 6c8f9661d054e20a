# SPDX-License-Identifier: MIT
"""Certificates, CRLs and OCSP responses of every kind, made on the spot."""
import base64
import datetime
import hashlib
import ipaddress
import subprocess
import warnings

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import (ec, ed25519, ed448, padding,
                                                       rsa)
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID as EKU, NameOID

# That SHA-1 and MD5 are weak is what is tested.
warnings.filterwarnings("ignore")
NOW = datetime.datetime.utcnow().replace(microsecond=0)
DAY = datetime.timedelta(days=1)
PEM = serialization.Encoding.PEM
SHA256 = hashes.SHA256()

KEYS = {}


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
    """"a.test,IP:10.0.0.1,URI:x,EMAIL:y,OTHER:z,DIR:cn" """
    names = []
    for part in text.split(","):
        kind, _, value = part.partition(":")
        if kind == "IP":
            names.append(x509.IPAddress(ipaddress.ip_address(value)))
        elif kind == "URI":
            names.append(x509.UniformResourceIdentifier(value))
        elif kind == "EMAIL":
            names.append(x509.RFC822Name(value))
        elif kind == "OTHER":
            names.append(x509.OtherName(x509.ObjectIdentifier("1.2.3.4.5"),
                                        b"\x0c" + bytes([len(value)])
                                        + value.encode()))
        elif kind == "DIR":
            names.append(x509.DirectoryName(name_of(value)))
        else:
            names.append(x509.DNSName(part))
    return x509.SubjectAlternativeName(names)


def usage(words):
    all_words = ["digital_signature", "content_commitment", "key_encipherment",
                 "data_encipherment", "key_agreement", "key_cert_sign",
                 "crl_sign", "encipher_only", "decipher_only"]
    return x509.KeyUsage(**{w: w in words.split() for w in all_words})


def general(text):
    """A name constraint: "test", ".test", "10.0.0.0/8", "DIR:cn", "EMAIL:x"."""
    if text.startswith("DIR:"):
        return x509.DirectoryName(name_of(text[4:]))
    if text.startswith("EMAIL:"):
        return x509.RFC822Name(text[6:])
    if "/" in text:
        return x509.IPAddress(ipaddress.ip_network(text))
    return x509.DNSName(text)


def constraints(permit=None, exclude=None):
    return x509.NameConstraints(
        [general(t) for t in permit.split()] if permit else None,
        [general(t) for t in exclude.split()] if exclude else None)


class Cert:
    """A certificate, its key, and who signed it.  pem may be something else
    than x: what cannot be built, or is no plain certificate."""

    def __init__(self, x, k, issuer, pem=None):
        self.x, self.key, self.issuer = x, k, issuer
        self.pem = pem or x.public_bytes(PEM).decode()


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
    if digest and digest.name in ("sha1", "md5"):
        return Cert(weakly_signed(b.sign(signer, SHA256), signer, digest), k,
                    issuer)
    return Cert(b.sign(signer, digest), k, issuer)


# AlgorithmIdentifiers of signatures (RFC 3279, 4055, 5758).
ALGORITHMS = {
    ("rsa", "sha256"): "300d06092a864886f70d01010b0500",
    ("rsa", "sha1"): "300d06092a864886f70d0101050500",
    ("rsa", "md5"): "300d06092a864886f70d0101040500",
    ("ec", "sha256"): "300a06082a8648ce3d040302",
    ("ec", "sha1"): "300906072a8648ce3d0401"}


def weakly_signed(x, signer, digest):
    """x with another signature, which newer builders refuse to make."""
    kind = "rsa" if isinstance(signer, rsa.RSAPrivateKey) else "ec"
    algorithm = bytes.fromhex(ALGORITHMS[kind, digest.name])
    tbs = x.tbs_certificate_bytes
    # Behind a header of three or four bytes, by its length.
    body = tbs[2 + (tbs[1] & 127 if tbs[1] > 127 else 0):]
    tbs = der(0x30, body.replace(
        bytes.fromhex(ALGORITHMS[kind, "sha256"]), algorithm, 1))
    signature = signer.sign(tbs, padding.PKCS1v15(), digest) \
        if kind == "rsa" else signer.sign(tbs, ec.ECDSA(digest))
    return x509.load_der_x509_certificate(
        der(0x30, tbs + algorithm + der(3, b"\0" + signature)))


def unknown(critical):
    return (x509.UnrecognizedExtension(
        x509.ObjectIdentifier("1.2.3.4.5"), b"\x05\x00"), critical)


def der(tag, body):
    n = len(body)
    size = bytes([n]) if n < 128 else bytes([130, n >> 8, n & 255])
    return bytes([tag]) + size + body


def reencoded(c, change, outer=None):
    """c with other bytes in what is signed, and signed anew: change(bytes).
    outer: the algorithm that is said to have signed it."""
    tbs = c.x.tbs_certificate_bytes
    inner = der(0x30, change(tbs[4 if tbs[1] == 0x82 else
                                 3 if tbs[1] == 0x81 else 2:]))
    algorithm = bytes.fromhex("300a06082a8648ce3d040302")
    signer = c.issuer.key if c.issuer else c.key
    signature = signer.sign(inner, ec.ECDSA(SHA256))
    raw = der(0x30, inner + (outer or algorithm) + der(3, b"\0" + signature))
    text = base64.encodebytes(raw).decode()
    return Cert(c.x, c.key, c.issuer, "-----BEGIN CERTIFICATE-----\n" + text
                + "-----END CERTIFICATE-----\n")


def restricted(c, *options):
    """OpenSSL's "TRUSTED CERTIFICATE": options of openssl x509."""
    done = subprocess.run(["openssl", "x509", *options], check=True,
                          input=c.pem.encode(), stdout=subprocess.PIPE)
    return Cert(c.x, c.key, c.issuer, done.stdout.decode())


def crl_scope(point=None, only="", reasons=None, indirect=False):
    """A critical issuingDistributionPoint.  only: "user", "ca" or "attribute";
    point: a URI."""
    return (x509.IssuingDistributionPoint(
        [x509.UniformResourceIdentifier(point)] if point else None, None,
        only == "user", only == "ca",
        frozenset(x509.ReasonFlags(r) for r in reasons) if reasons else None,
        indirect, only == "attribute"), True)


def crl_point(uri=None, issuer=None, kind=x509.CRLDistributionPoints):
    """Where a certificate's CRL is (or with FreshestCRL its delta)."""
    return (kind([x509.DistributionPoint(
        [x509.UniformResourceIdentifier(uri)] if uri else None, None, None,
        [x509.DirectoryName(issuer.x.subject)] if issuer else None)]), False)


def crl(issuer, revoked=(), last=-1, due=7, k=None, number=None, more=(),
        entries=(), aki=True):
    """revoked: certificates; entries: extensions of each of them."""
    b = x509.CertificateRevocationListBuilder()
    b = b.issuer_name(issuer.x.subject)
    b = b.last_update(NOW + last * DAY).next_update(NOW + due * DAY)
    for c in revoked:
        entry = x509.RevokedCertificateBuilder()
        entry = entry.serial_number(c.x.serial_number)
        entry = entry.revocation_date(NOW - DAY)
        for extension, critical in entries:
            entry = entry.add_extension(extension, critical)
        b = b.add_revoked_certificate(entry.build())
    if aki:
        b = b.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(
            issuer.key.public_key()), False)
    if number is not None:
        b = b.add_extension(x509.CRLNumber(number), False)
    for extension, critical in more:
        b = b.add_extension(extension, critical)
    return b.sign(k or issuer.key, SHA256).public_bytes(PEM).decode()


def response(c, issuer, status="GOOD", this=-1, due=7, responder=None,
             md=None, k=None, extra=(), by_name=False, nonce=None):
    responder = responder or issuer
    revoked = status == "REVOKED"
    b = ocsp.OCSPResponseBuilder().add_response(
        cert=c.x, issuer=issuer.x, algorithm=md or hashes.SHA1(),
        cert_status=getattr(ocsp.OCSPCertStatus, status),
        this_update=NOW + this * DAY,
        next_update=None if due is None else NOW + due * DAY,
        revocation_time=NOW - DAY if revoked else None,
        revocation_reason=x509.ReasonFlags.key_compromise if revoked else None)
    b = b.responder_id(ocsp.OCSPResponderEncoding.NAME if by_name else
                       ocsp.OCSPResponderEncoding.HASH, responder.x)
    if nonce:
        b = b.add_extension(x509.OCSPNonce(nonce), False)
    if extra:
        b = b.certificates([e.x for e in extra])
    return b.sign(k or responder.key, SHA256).public_bytes(
        serialization.Encoding.DER)


def pin(c):
    der = c.key.public_key().public_bytes(
        serialization.Encoding.DER,
        serialization.PublicFormat.SubjectPublicKeyInfo)
    return "sha256//" + base64.b64encode(hashlib.sha256(der).digest()).decode()
