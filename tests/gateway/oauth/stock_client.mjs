// openid-client, unchanged: discover, get a token by private_key_jwt and DPoP, use it twice.
// Standard input: {"issuer", "client_id", "jwk", "resource", "scope"}; standard output: JSON.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

// The package lies in a cache outside the repository, named by the environment.
const { resolve } = createRequire(`${process.env.ENLACE_NODE_CLIENTS}/package.json`);
const oauth = await import(pathToFileURL(resolve("openid-client")));

const input = JSON.parse(readFileSync(0, "utf8"));
const { kid, alg, ...jwk } = input.jwk;
const algorithm = { name: "ECDSA", namedCurve: "P-256" };
const key = await crypto.subtle.importKey("jwk", jwk, algorithm, false, ["sign"]);

const config = await oauth.discovery(
  new URL(input.issuer),
  input.client_id,
  undefined,
  oauth.PrivateKeyJwt({ key, kid }),
  { algorithm: "oauth2" },
);
const DPoP = oauth.getDPoPHandle(config, await oauth.randomDPoPKeyPair("ES256"));
const tokens = await oauth.clientCredentialsGrant(config, { scope: input.scope }, { DPoP });

const calls = [];
for (const query of ["", "?page=2"]) {
  const url = new URL(input.resource + query);
  const response = await oauth.fetchProtectedResource(
    config, tokens.access_token, url, "GET", undefined, undefined, { DPoP },
  );
  calls.push({ status: response.status, body: await response.json() });
}
console.log(JSON.stringify({ token_type: tokens.token_type, scope: tokens.scope, calls }));
