// A second implementation of the sealed form, from docs/protocol.md and not from our Python:
// node:crypto for AES-GCM, SHA-256 and Ed25519, panva's `hpke` for the wraps.
//
//   node independent.mjs vectors                     writes the vector file to stdout
//   node independent.mjs open  < {"jwe", "key"}      writes {"body", "signature"}, base64url
//   node independent.mjs seal  < {"keys", "body", "signature", "route"}   writes the JWE
import { createCipheriv, createDecipheriv, createHash, createPrivateKey, randomBytes, sign } from "node:crypto";
import { CipherSuite } from "hpke";
import * as noble from "@panva/hpke-noble";

const b64 = (bytes) => Buffer.from(bytes).toString("base64url");
const unb64 = (text) => Buffer.from(text, "base64url");
const json = (value) => Buffer.from(JSON.stringify(value));

const SUITES = {
  "HPKE-9-KE": new CipherSuite(noble.KEM_MLKEM768_X25519, noble.KDF_SHAKE256, noble.AEAD_AES_256_GCM),
  "HPKE-10-KE": new CipherSuite(noble.KEM_MLKEM1024_P384, noble.KDF_SHAKE256, noble.AEAD_AES_256_GCM),
};
const INFO = Buffer.concat([Buffer.from("JOSE-HPKE rcpt"), Buffer.of(0xff), Buffer.from("A256GCM"), Buffer.of(0xff)]);
const CLASSES = [1, 4, 16, 64, 256].map((kib) => kib * 1024);

const commitment = (cek) => createHash("sha256").update("enlace-ckc-1\0").update(cek).digest();

function frame(body, signature) {
  const size = 1024 + CLASSES.find((limit) => body.length <= limit);
  const out = Buffer.alloc(size);
  out.writeUInt32BE(body.length, 0);
  out.writeUInt16BE(signature.length, 4);
  body.copy(out, 6);
  signature.copy(out, 6 + body.length);
  return out;
}

async function derivedKey(alg, kid, fill) {
  const suite = SUITES[alg];
  const pair = await suite.DeriveKeyPair(Buffer.alloc(32, fill), true);
  return {
    kty: "AKP", alg, kid,
    pub: b64(await suite.SerializePublicKey(pair.publicKey)),
    priv: b64(await suite.SerializePrivateKey(pair.privateKey)),
  };
}

async function seal({ keys, body, signature, route }) {
  const cek = randomBytes(32), iv = randomBytes(12);
  const header = b64(json({ ckc: b64(commitment(cek)), enc: "A256GCM", suite: "enlace-pq-1", typ: "enlace-sealed+jwe" }));
  const aad = b64(Buffer.from(route));
  const cipher = createCipheriv("aes-256-gcm", cek, iv);
  cipher.setAAD(Buffer.from(`${header}.${aad}`));
  const ciphertext = Buffer.concat([cipher.update(frame(unb64(body), Buffer.from(signature))), cipher.final()]);
  const recipients = [];
  for (const key of keys) {
    const suite = SUITES[key.alg];
    const publicKey = await suite.DeserializePublicKey(unb64(key.pub));
    const { encapsulatedSecret, ciphertext: wrapped } = await suite.Seal(publicKey, cek, { info: INFO });
    recipients.push({ header: { alg: key.alg, kid: key.kid, ek: b64(encapsulatedSecret) }, encrypted_key: b64(wrapped) });
  }
  return { protected: header, aad, iv: b64(iv), ciphertext: b64(ciphertext), tag: b64(cipher.getAuthTag()), recipients };
}

async function open({ jwe, key }) {
  const suite = SUITES[key.alg];
  const entry = jwe.recipients.find((recipient) => recipient.header.kid === key.kid);
  const secret = await suite.DeserializePrivateKey(unb64(key.priv));
  const cek = Buffer.from(await suite.Open(secret, unb64(entry.header.ek), unb64(entry.encrypted_key), { info: INFO }));
  const header = JSON.parse(unb64(jwe.protected));
  if (!commitment(cek).equals(unb64(header.ckc))) throw new Error("commitment");
  const decipher = createDecipheriv("aes-256-gcm", cek, unb64(jwe.iv));
  decipher.setAAD(Buffer.from(`${jwe.protected}.${jwe.aad}`));
  decipher.setAuthTag(unb64(jwe.tag));
  const framed = Buffer.concat([decipher.update(unb64(jwe.ciphertext)), decipher.final()]);
  const middle = 6 + framed.readUInt32BE(0), end = middle + framed.readUInt16BE(4);
  return { body: b64(framed.subarray(6, middle)), signature: framed.subarray(middle, end).toString("ascii") };
}

function messageSignature(body, seed, claims) {
  const pkcs8 = Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), seed]);
  const key = createPrivateKey({ key: pkcs8, format: "der", type: "pkcs8" });
  const header = b64(json({ alg: "Ed25519", typ: "enlace-message+jws", kid: "MX-fge-1", b64: false, crit: ["b64"], ...claims }));
  return `${header}..${b64(sign(null, Buffer.concat([Buffer.from(`${header}.`), body]), key))}`;
}

function contentHash(jwe) {
  const text = [jwe.protected, jwe.aad, jwe.iv, jwe.ciphertext, jwe.tag].join(".");
  return b64(createHash("sha256").update(text).digest());
}

async function vectors() {
  const seed = Buffer.alloc(32, 7);
  const id = "0197f3a2-1b2c-7d3e-8f40-123456789abc";
  const route = JSON.stringify({
    created: "2026-11-23T12:00:00-06:00", expires: "2027-11-23T12:00:00-06:00",
    from: { agency: "fge", country: "MX" }, id, kind: "route-report",
    to: { compartment: "intelligence", countries: ["GT", "HN"] }, urgency: "priority", version: "1.0",
  });
  const keys = [
    await derivedKey("HPKE-9-KE", "GT-intelligence-1", 9),
    await derivedKey("HPKE-10-KE", "HN-intelligence-1", 10),
  ];
  const messages = [];
  for (const [name, body] of [
    ["short", Buffer.from("{\"id\":\"" + id + "\",\"body\":\"Ruta por Tapachula: 14 personas, dos vehículos\"}")],
    ["empty", Buffer.alloc(0)],
    ["at-the-edge-of-a-class", Buffer.alloc(1024, "a")],
    ["just-over-the-edge", Buffer.alloc(1025, "a")],
  ]) {
    const signature = messageSignature(body, seed, { mid: id, org: "MX.fge", sch: "route-report/1.0", iat: 1795456800 });
    const jwe = await seal({ keys, body: b64(body), signature, route });
    messages.push({ name, body: b64(body), signature, jwe, content_hash: contentHash(jwe) });
  }
  const publicJwk = { kty: "OKP", crv: "Ed25519", kid: "MX-fge-1", x: b64(ed25519Public(seed)) };
  return { route, keys, origin: publicJwk, messages };
}

function ed25519Public(seed) {
  const pkcs8 = Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), seed]);
  const jwk = createPrivateKey({ key: pkcs8, format: "der", type: "pkcs8" }).export({ format: "jwk" });
  return unb64(jwk.x);
}

async function input() {
  const chunks = [];
  for await (const chunk of process.stdin) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks));
}

const command = process.argv[2];
const result = command === "vectors" ? await vectors() : await { open, seal }[command](await input());
process.stdout.write(JSON.stringify(result, null, command === "vectors" ? 1 : 0) + "\n");
