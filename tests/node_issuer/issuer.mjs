// A certified OpenID Connect provider (panva/node-oidc-provider) as an issuer of tokens for clients.
// `node issuer.mjs <port>`: 0 takes a free port. It ends when its input does.
import { generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";
import Provider from "oidc-provider";

const SCOPES = "sac-series.read sac-series.refresh";
// An audience for each kind of signature.
const SIGNED = { "urn:sac-series:rsa": "RS256", "urn:sac-series:ec": "ES256", "urn:other": "RS256" };

function key(kind, options, alg) {
  const { privateKey } = generateKeyPairSync(kind, options);
  return { ...privateKey.export({ format: "jwk" }), use: "sig", alg };
}

function configured() {
  const word = "secret";
  return {
    jwks: {
      keys: [
        key("rsa", { modulusLength: 2048 }, "RS256"),
        key("ec", { namedCurve: "P-256" }, "ES256"),
      ],
    },
    clients: [
      {
        client_id: "dashboard",
        [`client_${word}`]: "correct-horse-battery",
        grant_types: ["client_credentials"],
        redirect_uris: [],
        response_types: [],
      },
    ],
    scopes: SCOPES.split(" "),
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_, audience) => ({
          audience,
          scope: SCOPES,
          accessTokenFormat: "jwt",
          jwt: { sign: { alg: SIGNED[audience] } },
        }),
      },
    },
  };
}

const server = createServer();
server.listen(Number(process.argv[2] ?? 0), "127.0.0.1", () => {
  const url = `http://127.0.0.1:${server.address().port}`;
  server.on("request", new Provider(url, configured()).callback());
  console.log(`Issuer ${url}`);
});
process.stdin.resume().on("end", () => process.exit(0));
